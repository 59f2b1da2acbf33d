package store_test

import (
	"testing"
	"time"

	"azure-partner-connector/connector/store/storetest"
)

func TestLeaseJob_IsForOneUntilItEnds(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		for _, step := range []struct {
			owner string
			at    time.Time
			want  bool
		}{
			{"one", noon, true},
			{"two", noon, false},
			{"one", noon, true},
			{"two", noon.Add(time.Minute), false},
			{"one", noon.Add(time.Minute), true}, // prolongs it
			{"two", noon.Add(150 * time.Second), false},
			{"two", noon.Add(4 * time.Minute), true},
			{"ahead", noon.AddDate(1, 0, 0), true},
			{"one", noon.Add(5 * time.Minute), true}, // a lease of a clock that was ahead counts as ended
		} {
			if got, err := s.LeaseJob(t.Context(), "job", step.owner, step.at, 2*time.Minute); got != step.want || err != nil {
				t.Errorf("LeaseJob(%s at %s) = %t, %v, want %t", step.owner, step.at, got, err, step.want)
			}
		}
	})
}
