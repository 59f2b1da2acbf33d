package seal_test

import (
	"bytes"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"azure-partner-connector/connector/seal"
)

func TestMAC_OnlyOfTheSameParts(t *testing.T) {
	t.Parallel()
	k := create(t)
	other := create(t)
	mac := k.MAC("row", "tenants", "t1", "account_id", "alice")
	if !k.CheckMAC(mac, "row", "tenants", "t1", "account_id", "alice") {
		t.Error("CheckMAC() of the same parts = false, want true")
	}
	for name, ok := range map[string]bool{
		"another value":   k.CheckMAC(mac, "row", "tenants", "t1", "account_id", "mallory"),
		"another row":     k.CheckMAC(mac, "row", "tenants", "t2", "account_id", "alice"),
		"another purpose": k.CheckMAC(mac, "event", "tenants", "t1", "account_id", "alice"),
		"moved boundary":  k.CheckMAC(mac, "row", "tenants", "t1", "account_ida", "lice"),
		"another keyring": other.CheckMAC(mac, "row", "tenants", "t1", "account_id", "alice"),
		"none":            k.CheckMAC(nil, "row", "tenants", "t1", "account_id", "alice"),
		"shortened":       k.CheckMAC(mac[:len(mac)-1], "row", "tenants", "t1", "account_id", "alice"),
	} {
		if ok {
			t.Errorf("CheckMAC(%s) = true, want false", name)
		}
	}
	for i := range mac {
		altered := bytes.Clone(mac)
		altered[i] ^= 1
		if k.CheckMAC(altered, "row", "tenants", "t1", "account_id", "alice") {
			t.Errorf("CheckMAC(with byte %d altered) = true, want false", i)
		}
	}
}

func TestMAC_KeyOfItsOwn(t *testing.T) {
	t.Parallel()
	k := create(t)
	mac := k.MAC("row", "some")
	announced, err := k.Announce()
	if err != nil {
		t.Fatalf("Announce() = _, %v", err)
	}
	promoted, err := announced.Promote()
	if err != nil {
		t.Fatalf("Promote() = _, %v", err)
	}
	if !announced.CheckMAC(mac, "row", "some") || !announced.CurrentMAC(mac) {
		t.Error("the announced keyring does not accept the MAC of the key that still seals")
	}
	if !promoted.CheckMAC(mac, "row", "some") || promoted.CurrentMAC(mac) {
		t.Error("the promoted keyring should accept an older key's MAC and call it not current")
	}
	next := promoted.MAC("row", "some")
	if bytes.Equal(next, mac) || !promoted.CurrentMAC(next) || !announced.CheckMAC(next, "row", "some") {
		t.Error("the promoted key should make another MAC, which a replica with the announced key accepts")
	}
	if k.CheckMAC(next, "row", "some") {
		t.Error("CheckMAC() with a keyring that lacks the key = true, want false")
	}
}

func TestEncode_Injective(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.StringMatching(`[a\x00-\x04]{0,5}`)
		a := rapid.SliceOfN(part, 0, 4).Draw(t, "a")
		b := rapid.SliceOfN(part, 0, 4).Draw(t, "b")
		if bytes.Equal(seal.Encode(a...), seal.Encode(b...)) != slices.Equal(a, b) {
			t.Errorf("Encode(%q) and Encode(%q) are equal, want so only for equal lists", a, b)
		}
	})
}
