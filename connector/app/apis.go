package app

import (
	"slices"

	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/tenant"
)

// deployments returns what the configuration says of an instance, by consumer key.
func deployments(instances []config.Instance) func(key string) tenant.Deployment {
	byKey := make(map[string]tenant.Deployment, len(instances))
	for _, in := range instances {
		byKey[in.Key] = in.Deployment()
	}
	return func(key string) tenant.Deployment { return byKey[key] }
}

// apisOf returns the names of the apis of an instance, by consumer key.
func apisOf(instances []config.Instance) func(key string) []string {
	of := deployments(instances)
	return func(key string) []string { return of(key).APINames() }
}

// APIs returns the names of the apis of all instances.
func APIs(instances []config.Instance) []string {
	names := tenant.APIs()
	for _, in := range instances {
		for _, name := range in.Deployment().APINames() {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}
