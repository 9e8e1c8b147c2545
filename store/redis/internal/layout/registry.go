package layout

import "strings"

const (
	// RegistryCopies is how many hashes hold the registry of a Redis Cluster, each in
	// another eighth of the slots. So it survives the loss of a node's last writes, and
	// most copies can be reached when a node cannot.
	RegistryCopies = 8
	// BucketsField of a copy holds the number of buckets. It is no name of an app.
	BucketsField = ":buckets"
	// registryName ends the key of a copy.
	registryName = "APPS"
)

// registryBuckets are where a namespace's registry is. Their tags are those of an app
// with an empty name, which no app has.
func registryBuckets(ns string) []Bucket { return bucketsOf(ns, "", RegistryCopies) }

// RegistryKeys returns the keys of the copies of a namespace's registry.
func RegistryKeys(ns string) []string {
	var keys []string
	for _, b := range registryBuckets(ns) {
		keys = append(keys, b.Prefix+registryName)
	}
	return keys
}

// ProbeBeside is the key that a probe writes in the slot of a registry's copy.
func ProbeBeside(registryKey string) string {
	return strings.TrimSuffix(registryKey, registryName) + "probe"
}

// ProbeChannelBeside is the channel on which such a probe publishes.
func ProbeChannelBeside(registryKey string) string {
	return strings.TrimSuffix(registryKey, registryName) + "cache"
}
