package microsoft_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"azure-partner-connector/connector/clock"
	"azure-partner-connector/connector/microsoft"
	"azure-partner-connector/connector/token"
	simulated "azure-partner-connector/sandbox/microsoft"
)

const day = 24 * time.Hour

// wrongClocks are how far our clock is ahead of Microsoft's.
var wrongClocks = []time.Duration{0, 5 * time.Minute, -5 * time.Minute, time.Hour, -time.Hour, 12 * day, -12 * day, 85 * day, 150 * day, -150 * day}

// A skewed is a simulation with a clock of ours that can be set, and a time that really passes.
type skewed struct {
	*simulation
	ours    time.Duration // ahead of Microsoft's clock
	elapsed time.Duration
	setTo   time.Duration // what ours becomes while the first request is answered; 0: nothing
}

func newSkewed(t *testing.T, ours time.Duration) *skewed {
	s := &skewed{ours: ours}
	s.simulation = newSimulation(t, "global", simulated.Global(), func(c *microsoft.Config) {
		c.Now = func() time.Time {
			if s.setTo != 0 && len(s.sim.Requests()) > 0 {
				s.ours, s.setTo = s.setTo, 0
			}
			return noon.Add(s.ours)
		}
		c.Elapsed = func() time.Duration { return s.elapsed }
	})
	return s
}

func inCloud(cloud string) func(context.Context) string {
	return func(context.Context) string { return cloud }
}

// checkSkew asserts the skew, to a second.
func (s *skewed) checkSkew(when string, want time.Duration) {
	s.Helper()
	got := s.client.ClockSkew(s.Context(), inCloud("global"))
	if !got.Known || (got.By-want).Abs() > time.Second {
		s.Errorf("%s, ClockSkew() = %+v, want %s", when, got, want)
	}
}

func TestRenew_IsIssuedAtMicrosoftsTime(t *testing.T) {
	for _, ours := range wrongClocks {
		t.Run(ours.String(), func(t *testing.T) {
			s := newSkewed(t, ours)
			s.consent()
			got, err := s.renew(s.refreshToken(admin), token.Graph)
			s.must(err)
			if life := got.ExpiresAt.Sub(noon); !got.IssuedAt.Equal(noon) || life < time.Hour || life > 90*time.Minute {
				t.Errorf("Renew() = issued at %s, expires at %s, want Microsoft's %s and 60 to 90 minutes later", got.IssuedAt, got.ExpiresAt, noon)
			}
			s.sim.SetOddities(simulated.Oddities{OmitDate: true})
			if got, err = s.renew(s.refreshToken(admin), token.ARM); err != nil || !got.IssuedAt.Equal(noon.Add(ours)) {
				t.Errorf("Renew() without Date = issued at %s, %v, want our %s", got.IssuedAt, err, noon.Add(ours))
			}
		})
	}
}

func TestRenew_IgnoresAnUnreadableDate(t *testing.T) {
	for _, date := range []string{"", "yesterday", "2026-11-23T10:00:00Z", "Mon, 32 Nov 2026 10:00:00 GMT"} {
		h := newHarness(t)
		h.route(tokenPath, respond(200, tokens(`,"refresh_token":"next","expires_in":3599`), "Date", date))
		if got, err := renew(h, token.Graph); err != nil || !got.IssuedAt.Equal(h.clock()) {
			t.Errorf("Renew() with the date %q = issued at %s, %v, want our clock's %s", date, got.IssuedAt, err, h.clock())
		}
	}
}

func TestClockSkew_ByAnyAnswerElseByADiscoveryDocument(t *testing.T) {
	for _, ours := range wrongClocks {
		t.Run(ours.String(), func(t *testing.T) {
			s := newSkewed(t, ours)
			s.checkSkew("before the first request", -ours)
			requests := len(s.sim.Requests())
			s.checkSkew("right after", -ours)
			s.elapsed += 4 * time.Minute
			s.ours += 4 * time.Minute // Microsoft's clock stands still, so ours runs away from it
			s.checkSkew("four minutes later", -ours)
			if got := len(s.sim.Requests()); got != requests {
				t.Errorf("ClockSkew() sent %d requests within five minutes of an answer", got-requests)
			}
			s.elapsed += 2 * time.Minute
			s.ours += 2 * time.Minute
			s.checkSkew("six minutes later", -ours-6*time.Minute)
			s.ours = time.Second
			s.checkSkew("after our clock was set right", -time.Second)
			if got := len(s.sim.Requests()); got != requests+2 {
				t.Errorf("ClockSkew() sent %d requests, want one after five minutes and one after our clock was set", got-requests)
			}
			s.ours = 85 * day
			s.consent()
			_, err := s.renew(s.refreshToken(admin), token.Graph)
			s.must(err)
			requests = len(s.sim.Requests())
			s.checkSkew("after a renewal", -85*day)
			if got := len(s.sim.Requests()); got != requests {
				t.Errorf("ClockSkew() sent %d requests right after another answer", got-requests)
			}
		})
	}
}

func TestClockSkew_IsUnknownWithoutMicrosoft(t *testing.T) {
	s := newSkewed(t, 85*day)
	check := func(when string, requests int) {
		t.Helper()
		if got := s.client.ClockSkew(t.Context(), inCloud("global")); got != (clock.Skew{}) {
			t.Errorf("%s, ClockSkew() = %+v, want unknown", when, got)
		}
		if got := len(s.sim.Requests()); got != requests {
			t.Errorf("%s, Microsoft has seen %d requests, want %d", when, got, requests)
		}
	}
	s.sim.AddFault(simulated.Fault{Reset: true})
	check("without an answer", 1)
	check("right after", 1)
	s.elapsed += time.Minute
	check("a minute later", 2)
	s.sim.ClearFaults()
	s.sim.SetOddities(simulated.Oddities{OmitDate: true})
	s.elapsed += time.Minute
	check("after an answer without Date", 3)
	s.sim.SetOddities(simulated.Oddities{})
	s.elapsed += time.Minute
	s.checkSkew("when Microsoft answers again", -85*day)
	if got := s.client.ClockSkew(t.Context(), inCloud("mars")); !got.Known {
		t.Error("ClockSkew() of an unknown cloud does not use the answer of another")
	}
	s.sim.AddFault(simulated.Fault{Reset: true})
	s.ours += time.Hour
	s.elapsed += time.Hour
	s.checkSkew("while Microsoft is unreachable again", -85*day)
	s.ours = 0
	s.elapsed += time.Minute
	if got := s.client.ClockSkew(t.Context(), inCloud("global")); got.Known {
		t.Errorf("after our clock was set, ClockSkew() without an answer = %+v, want unknown", got)
	}
}

func TestClockSkew_MeasuresAgainWhenOurClockWasSetMeanwhile(t *testing.T) {
	s := newSkewed(t, 0)
	s.setTo = 12 * day
	s.checkSkew("after our clock was set during the request", -12*day)
	if got := len(s.sim.Requests()); got != 2 {
		t.Errorf("ClockSkew() sent %d requests, want 2", got)
	}
}

func TestClockSkew_UsesAnswersThatRefuse(t *testing.T) {
	s := newSkewed(t, time.Hour)
	s.sim.AddFault(simulated.Fault{Status: http.StatusServiceUnavailable})
	s.checkSkew("after an outage's answer", -time.Hour)
}

func TestClockSkew_IgnoresCachedAnswers(t *testing.T) {
	s := newSkewed(t, 0)
	s.sim.AddFault(simulated.Fault{Status: http.StatusOK, Header: map[string]string{"Age": "3600", "Date": noon.Add(-time.Hour).Format(http.TimeFormat)}})
	if got := s.client.ClockSkew(t.Context(), inCloud("global")); got.Known {
		t.Errorf("ClockSkew() after an answer of a cache = %+v, want unknown", got)
	}
}
