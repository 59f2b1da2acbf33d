package notify

// MaxOutbox is how many unsent notices about one subject are kept.
const MaxOutbox = maxOutbox

// WarnedRelationship is the last warning before a relationship ends.
type WarnedRelationship = relationshipWarning

// Bounds of what is remembered and named of relationships.
const (
	MaxRelationships = maxRelationships
	MaxNamed         = maxNamed
	MaxName          = maxName
)
