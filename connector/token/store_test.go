package token_test

import (
	"os"
	"testing"

	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

func openStore(t *testing.T) *store.Store {
	t.Helper()
	return storetest.New(t)
}
