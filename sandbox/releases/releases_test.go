package releases_test

import (
	"bytes"
	"testing"

	"azure-partner-connector/connector/platform/pack"
	"azure-partner-connector/sandbox/releases"
	"azure-partner-connector/schemas"
)

// TestFirst_HasTheTypesThatAreKept compares the types that the connector keeps for instances at 1-1 with those that platforms
// have.
func TestFirst_HasTheTypesThatAreKept(t *testing.T) {
	content := releases.First()
	files, err := pack.Files(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	for _, service := range []string{"app", "tenant"} {
		kept, ok := schemas.Type(service, 1)
		if released := files["schemas/"+service+".schema"]; !ok || !bytes.Equal(kept, released) {
			t.Errorf("the type of %s in schemas/1 is not the released one", service)
		}
	}
}
