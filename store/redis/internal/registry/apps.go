package registry

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/redis/rueidis"

	"rest-sessions/store/redis/internal/layout"
	"rest-sessions/store/redis/internal/wire"
)

// HasApps reports whether a namespace's registry holds apps. It asks without a Client:
// that an access list forbids the question is no outage.
func HasApps(ctx context.Context, client rueidis.Client, ns string) (bool, error) {
	other := Registry{Keys: layout.RegistryKeys(ns)}
	for _, r := range wire.Send(ctx, client, other.each("HLEN")) {
		n, err := r.AsInt64()
		if err != nil {
			return false, wire.Classify(err)
		}
		if n > 1 { // one is layout.BucketsField
			return true, nil
		}
	}
	return false, nil
}

// Apps returns the apps that at least one copy holds, in order.
func (g *Registry) Apps(ctx context.Context, client *wire.Client) ([]string, error) {
	held, err := g.fields(ctx, client)
	return appsOf(held), err
}

// Mend gives each copy what others have and it lacks, and returns the apps.
func (g *Registry) Mend(ctx context.Context, client *wire.Client) ([]string, error) {
	held, err := g.fields(ctx, client)
	if err != nil {
		return nil, err
	}
	apps := appsOf(held)
	var lacking []wire.Command
	for i, key := range g.Keys {
		if !held[i][layout.BucketsField] {
			lacking = append(lacking, wire.Command{Keys: []string{key}, Args: []string{"HSETNX", layout.BucketsField, strconv.Itoa(g.buckets)}})
		}
		for _, app := range apps {
			if !held[i][app] {
				lacking = append(lacking, wire.Command{Keys: []string{key}, Args: []string{"HSET", app, "1"}})
			}
		}
	}
	_, err = client.RunAll(ctx, lacking)
	return apps, err
}

// fields returns the fields of each copy.
func (g *Registry) fields(ctx context.Context, client *wire.Client) ([]map[string]bool, error) {
	replies, err := client.RunAll(ctx, g.each("HKEYS"))
	if err != nil {
		return nil, err
	}
	held := make([]map[string]bool, len(replies))
	for i := range replies {
		fields, err := replies[i].AsStrSlice()
		if err != nil {
			return nil, fmt.Errorf("redis: malformed reply: the registry: %w", err)
		}
		held[i] = make(map[string]bool, len(fields))
		for _, field := range fields {
			held[i][field] = true
		}
	}
	return held, nil
}

// appsOf returns the apps among the fields of the copies, in order.
func appsOf(held []map[string]bool) []string {
	var apps []string
	for _, fields := range held {
		for field := range fields {
			if field != layout.BucketsField {
				apps = append(apps, field)
			}
		}
	}
	slices.Sort(apps)
	return slices.Compact(apps)
}
