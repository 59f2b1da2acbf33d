package doctor

import (
	"context"
	"time"

	"azure-partner-connector/connector/app"
	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/notify"
)

// channelTimeout bounds how long a webhook or a mail server may take to answer.
const channelTimeout = 15 * time.Second

// channels checks whether the servers that notices are sent to answer: otherwise one that does not would be noticed only when there
// is something to warn of.
func (e *examination) channels(ctx context.Context, services *app.Services, cfg config.Config) {
	channels, err := services.Channels(cfg.Notify, e.Now)
	if err != nil {
		e.fail("notices", sentence(err), "")
		return
	}
	for _, channel := range channels {
		reachable, ok := channel.(notify.Reacher)
		if !ok {
			continue
		}
		check := "notices by " + channel.Name()
		within, cancel := context.WithTimeout(ctx, channelTimeout)
		err := reachable.Reach(within)
		cancel()
		if err != nil {
			e.fail(check, sentence(err), "Nobody is notified by it: check notify."+channel.Name()+", the server and the way to it. connector notify test sends a notice.")
			continue
		}
		e.ok(check, "its server answers; connector notify test sends a notice")
	}
}
