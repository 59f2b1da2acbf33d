package notify

import (
	"slices"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
)

// incidentAge is how old an event may be for people to be notified of it: older ones are not looked for.
const incidentAge = 7 * day

// incidents returns the actions of an instance's events that the provider is notified of. The result of such an event is a
// failure code, and its details are the parameters of that.
func incidents() []audit.Action { return []audit.Action{audit.DirectoryDisputed, audit.TokensExported} }

// incidents returns a notice for each of the last events, newest first, that people were not notified of, oldest first.
func (s *State) incidents(last []audit.Event) []change {
	var changes []change
	ids := make([]string, 0, len(last))
	for _, e := range slices.Backward(last) {
		ids = append(ids, e.ID)
		if !slices.Contains(s.Incidents, e.ID) {
			reason := &failure.Record{Code: failure.Code(e.Result), Params: e.Details, Reference: e.Reference}
			changes = append(changes, change{kind: Incident, reason: reason})
		}
	}
	s.Incidents = ids
	return changes
}
