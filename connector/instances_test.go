package main_test

import (
	"testing"
	"time"

	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
)

func TestInstancesAcceptController(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		v := newSealedDatabase(t, db)
		s := db.Open(t)
		now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
		accept := func(args ...string) output {
			return v.run(append([]string{"instances", "accept-controller", "--config", "connector.yaml"}, args...)...)
		}
		v.check("of a key that is not configured", accept("key-9"), 1, `no instance "key-9"`)
		v.check("before the installation", accept("key-1"), 1, "not installed")
		in := tenant.Instance{Key: "key-1", ID: "id-1", RootID: "root-1", ControllerURI: "https://one.example.net:6308/", CreatedAt: now, UpdatedAt: now}
		v.must(s.SaveInstance(t.Context(), &in))
		v.check("without a named address", accept("key-1"), 1, "in use: https://one.example.net:6308/", "no call has named another")
		in.NamedController = "https://two.example.net:6308/"
		v.must(s.SaveInstance(t.Context(), &in))
		v.check("without --address", accept("key-1"), 1, "in use: https://one.example.net:6308/", "named by a call: https://two.example.net:6308/", "nothing was changed")
		v.check("of another address", accept("key-1", "--address", "https://three.example.net:6308/"), 1, "no call has named this address")
		v.check("of the named address", accept("key-1", "--address", "https://two.example.net:6308/"), 0, "accepted")
		v.check("again", accept("key-1"), 1, "in use: https://two.example.net:6308/")
	})
}
