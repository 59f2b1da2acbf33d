package token_test

import (
	"testing"

	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/storetest"
)

func openStore(t *testing.T) *store.Store {
	t.Helper()
	return storetest.New(t)
}
