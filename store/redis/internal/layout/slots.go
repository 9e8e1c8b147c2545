package layout

import "strings"

// Slots is the number of hash slots of a Redis Cluster.
const Slots = 16384

// Groups of slots. A node that does not answer fills the queues of its groups, and
// those of other groups go on.
const (
	// ClassicGroup is the only group of one Redis.
	ClassicGroup = 0
	// ClusterGroups is how many groups the slots of a Redis Cluster are divided into.
	ClusterGroups = 16
	// Groups is the number of both together.
	Groups = 1 + ClusterGroups
)

// GroupOfSlot returns the group of a slot of a Redis Cluster.
func GroupOfSlot(slot int) int { return 1 + slot*ClusterGroups/Slots }

// GroupOf returns the slot group of a key.
func (k Keyspace) GroupOf(key string) int {
	if !k.sharded(key) {
		return ClassicGroup
	}
	tag, _, _ := strings.Cut(key[len(k.NS)+1:], "}")
	return GroupOfSlot(int(checksum(0, tag)) % Slots)
}

// crc16 is the table of CRC-16/XMODEM, which Redis Cluster takes a key's slot from
// (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/).
var crc16 = func() (table [256]uint16) {
	for i := range table {
		c := uint16(i) << 8
		for range 8 {
			carry := c >> 15
			c = c<<1 ^ carry*0x1021
		}
		table[i] = c
	}
	return table
}()

// checksum continues the checksum c over text.
func checksum[T string | []byte](c uint16, text T) uint16 {
	for i := 0; i < len(text); i++ {
		c = c<<8 ^ crc16[byte(c>>8)^text[i]]
	}
	return c
}
