package platform

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"azure-partner-connector/connector/platform/pack"
)

// The platform's own types that the simulator knows (docs/reference/aps-protocol.md §4.7).
const (
	resourceType     = "http://aps-standard.org/types/core/resource/1.0"
	applicationType  = "http://aps-standard.org/types/core/application/1.0"
	subscriptionType = "http://parallels.com/aps/types/pa/subscription/1.0"
	accountType      = "http://parallels.com/aps/types/pa/account/1.2"
	userType         = "http://parallels.com/aps/types/pa/user/1.0"
	hubType          = "http://parallels.com/aps/types/pa/poa/1.0"
	managerType      = "http://www.parallels.com/pa/pa-core-services/resource-type-manager/1.0"
	extensionType    = "http://odin.com/servicesSelector/globals/2.2"
	notificationType = "http://www.parallels.com/pa/pa-core-services/notification-manager/1.0"
)

// A typeDefinition is one APS type (docs/reference/aps-protocol.md §4).
type typeDefinition struct {
	APSVersion  string                          `json:"apsVersion"`
	Name        string                          `json:"name"`
	ID          string                          `json:"id"`
	Title       string                          `json:"title"`
	Description string                          `json:"description"`
	Implements  []string                        `json:"implements"`
	Access      map[string]bool                 `json:"access"`
	Properties  map[string]*propertyDefinition  `json:"properties"`
	Structures  map[string]*structureDefinition `json:"structures"`
	Operations  map[string]*operationDefinition `json:"operations"`
	Relations   map[string]*relationDefinition  `json:"relations"`

	number int    // in /aps/2/types/{n}
	source []byte // as imported
}

type propertyDefinition struct {
	Type        string              `json:"type"`
	Title       string              `json:"title"`
	Description string              `json:"description"`
	Headline    bool                `json:"headline"`
	Required    bool                `json:"required"`
	Readonly    bool                `json:"readonly"`
	Final       bool                `json:"final"`
	Encrypted   bool                `json:"encrypted"`
	Default     any                 `json:"default"`
	Unit        string              `json:"unit"`
	Format      string              `json:"format"`
	Pattern     string              `json:"pattern"`
	Enum        []any               `json:"enum"`
	EnumTitles  []string            `json:"enumTitles"`
	MinLength   *int                `json:"minLength"`
	MaxLength   *int                `json:"maxLength"`
	MinItems    *int                `json:"minItems"`
	MaxItems    *int                `json:"maxItems"`
	UniqueItems bool                `json:"uniqueItems"`
	Items       *propertyDefinition `json:"items"`
	Access      map[string]bool     `json:"access"`
}

type structureDefinition struct {
	Type        string                         `json:"type"`
	Title       string                         `json:"title"`
	Description string                         `json:"description"`
	Properties  map[string]*propertyDefinition `json:"properties"`
}

type operationDefinition struct {
	Verb          string                          `json:"verb"`
	Path          string                          `json:"path"`
	Description   string                          `json:"description"`
	Static        bool                            `json:"static"`
	Access        map[string]bool                 `json:"access"`
	Parameters    map[string]*parameterDefinition `json:"parameters"`
	Response      *responseDefinition             `json:"response"`
	ErrorResponse *responseDefinition             `json:"errorResponse"`
}

type parameterDefinition struct {
	Kind        string              `json:"kind"`
	Type        string              `json:"type"`
	Description string              `json:"description"`
	Required    bool                `json:"required"`
	ContentType *string             `json:"contentType"`
	Items       *propertyDefinition `json:"items"`
}

type responseDefinition struct {
	Type        string              `json:"type"`
	Description string              `json:"description"`
	ContentType *string             `json:"contentType"`
	Items       *propertyDefinition `json:"items"`
}

type relationDefinition struct {
	Type        string          `json:"type"`
	Title       string          `json:"title"`
	Description string          `json:"description"`
	Required    bool            `json:"required"`
	Collection  bool            `json:"collection"`
	Requirement string          `json:"requirement"`
	Allocate    string          `json:"allocate"`
	Access      map[string]bool `json:"access"`
	Assign      *struct {
		Access map[string]bool `json:"access"`
	} `json:"assign"`
}

// platformTypes returns the platform's own types. They have only what they implement and their relations, because this
// package itself creates their resources.
func platformTypes() map[string]*typeDefinition {
	var list []*typeDefinition
	for _, t := range pack.CoreTypes() {
		d := &typeDefinition{ID: t.ID, Implements: t.Implements, Relations: make(map[string]*relationDefinition)}
		for name, other := range t.Relations {
			d.Relations[name] = &relationDefinition{Type: other}
		}
		list = append(list, d)
	}
	list = append(list,
		&typeDefinition{ID: notificationType, Implements: []string{resourceType}},
		&typeDefinition{ID: managerType, Implements: []string{resourceType}},
		&typeDefinition{ID: extensionType, Implements: []string{"http://odin.com/servicesSelector/globals/2.0"}},
		&typeDefinition{ID: "http://odin.com/servicesSelector/globals/2.0", Implements: []string{applicationType}},
		&typeDefinition{ID: foreignType, Implements: []string{applicationType}},
	)
	types := make(map[string]*typeDefinition)
	for i, t := range list {
		t.number = i + 1
		t.APSVersion = "2.0"
		types[t.ID] = t
	}
	return types
}

// parseType reads a schema of a package that was checked.
func parseType(source []byte) (*typeDefinition, error) {
	t := &typeDefinition{source: source}
	if err := json.Unmarshal(source, t); err != nil {
		return nil, badRequest("the type cannot be read: %v", err)
	}
	return t, nil
}

// splitType returns the parts of a type id; minor is -1 where a reference omits it, and major, too, where it has no version.
func splitType(id string) (path string, major, minor int) {
	i := strings.LastIndexByte(id, '/')
	if i < 0 {
		return id, -1, -1
	}
	majorText, minorText, ok := strings.Cut(id[i+1:], ".")
	major, err := strconv.Atoi(majorText)
	if err != nil {
		return id, -1, -1
	}
	minor = -1
	if ok {
		if minor, err = strconv.Atoi(minorText); err != nil {
			return id, -1, -1
		}
	}
	return id[:i], major, minor
}

// satisfies reports whether a resource of type have is one of type want: a later minor version is compatible
// (docs/reference/aps-protocol.md §4.1).
func satisfies(have, want string) bool {
	havePath, haveMajor, haveMinor := splitType(have)
	wantPath, wantMajor, wantMinor := splitType(want)
	return havePath == wantPath && (wantMajor < 0 || haveMajor == wantMajor && haveMinor >= wantMinor)
}

// implements reports whether type id is want or implements it, directly or not.
func implements(types map[string]*typeDefinition, id, want string) bool {
	if satisfies(id, want) {
		return true
	}
	t := find(types, id)
	return t != nil && slices.ContainsFunc(t.Implements, func(base string) bool {
		return base != id && implements(types, base, want)
	})
}

// find returns the newest known type that id refers to, or nil.
func find(types map[string]*typeDefinition, id string) *typeDefinition {
	if t := types[id]; t != nil {
		return t
	}
	var newest *typeDefinition
	for _, t := range types {
		if satisfies(t.ID, id) && (newest == nil || satisfies(t.ID, newest.ID)) {
			newest = t
		}
	}
	return newest
}

// relationsOf returns the relations of a type with the inherited ones.
func relationsOf(types map[string]*typeDefinition, t *typeDefinition) map[string]*relationDefinition {
	all := make(map[string]*relationDefinition)
	for _, base := range t.Implements {
		if b := find(types, base); b != nil {
			maps.Copy(all, relationsOf(types, b))
		}
	}
	maps.Copy(all, t.Relations)
	return all
}

// checkKnown refuses types of a package that refer to types which the platform does not know. known has all types, including
// those of the package.
func checkKnown(known map[string]*typeDefinition, own []*typeDefinition) error {
	for _, t := range own {
		refs := slices.Clone(t.Implements)
		for _, r := range t.Relations {
			refs = append(refs, r.Type)
		}
		for _, ref := range refs {
			if find(known, ref) == nil {
				return badRequest("Package metafile URI of type '%s' is not found", ref)
			}
		}
	}
	return nil
}

// schemaHref is the address of a type's definition.
func schemaHref(t *typeDefinition) string { return fmt.Sprintf("/aps/2/types/%d", t.number) }
