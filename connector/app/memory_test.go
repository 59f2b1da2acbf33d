package app_test

import (
	"testing"

	"azure-partner-connector/connector/app"
)

func TestGarbageIsBoundedWhateverIsHeld(t *testing.T) {
	for held, want := range map[uint64]int{
		0:          400, // before the first collection
		1 << 20:    400,
		16 << 20:   200,
		32 << 20:   100,
		64 << 20:   50,
		256 << 20:  12,
		1000 << 20: 10, // not less, or it would do nothing but collect
	} {
		if got := app.CollectAt(held); got != want {
			t.Errorf("CollectAt(%d) = %d, want %d", held, got, want)
		}
	}
}
