package chaos

import (
	"context"
	"errors"
	"fmt"

	"azure-partner-connector/connector/store/storetest/dbserver"
)

// An unsafeSetting is a setting of a server under which a careless client loses what the server has acknowledged, or sees
// something else than it should.
type unsafeSetting struct {
	name       string
	set, reset string
}

// unsafeSettings returns the settings in an order in which the instance is installed under the worst.
func unsafeSettings() []unsafeSetting {
	isolation := func(level string) unsafeSetting {
		return unsafeSetting{level, "SET GLOBAL TRANSACTION ISOLATION LEVEL " + level, "SET GLOBAL TRANSACTION ISOLATION LEVEL REPEATABLE READ"}
	}
	mode := func(name, value string) unsafeSetting {
		return unsafeSetting{name, "SET GLOBAL sql_mode = '" + value + "'", "SET GLOBAL sql_mode = DEFAULT"}
	}
	return []unsafeSetting{
		{"autocommit off", "SET GLOBAL autocommit = OFF", "SET GLOBAL autocommit = ON"},
		{"autocommit off by init_connect", "SET GLOBAL init_connect = 'SET autocommit = 0, completion_type = 1, foreign_key_checks = 0'", "SET GLOBAL init_connect = ''"},
		{"chained transactions", "SET GLOBAL completion_type = CHAIN", "SET GLOBAL completion_type = NO_CHAIN"},
		{"transactions read-only", "SET GLOBAL TRANSACTION READ ONLY", "SET GLOBAL TRANSACTION READ WRITE"},
		isolation("READ UNCOMMITTED"),
		isolation("SERIALIZABLE"),
		mode("no SQL mode", ""),
		mode("other SQL modes", "ANSI,NO_BACKSLASH_ESCAPES,PAD_CHAR_TO_FULL_LENGTH"),
		{"results cut", "SET GLOBAL sql_select_limit = 1", "SET GLOBAL sql_select_limit = DEFAULT"},
	}
}

// acknowledgedEach is how many changes must be acknowledged under each setting.
const acknowledgedEach = 3 * shoppers

// unsafeServers runs replicas on a server under each setting, while customers use the platform, and then kills them: what was
// acknowledged only within a transaction that is still open is gone then.
func unsafeServers(ctx context.Context, e *Env, _ Scale) (*Deployment, error) {
	l := spec{name: "unsafe", tenants: 12, restricted: true, market: true}
	return e.withOwnServer(ctx, l, func(d *Deployment, _ *dbserver.Server) error {
		for _, u := range unsafeSettings() {
			if err := d.runUnder(ctx, u); err != nil {
				return fmt.Errorf("%s: %w", u.name, err)
			}
			d.count("unsafe settings", 1)
		}
		_, err := d.startReplicas(ctx, 1, healthy) // for Verify
		return err
	})
}

func (d *Deployment) runUnder(ctx context.Context, u unsafeSetting) error {
	if err := d.administer(ctx, u.set); err != nil {
		return err
	}
	replicas, err := d.startReplicas(ctx, 2, healthy)
	if err != nil {
		return err
	}
	shopping, err := d.startTraffic(ctx, u.name)
	if err != nil {
		return err
	}
	d.StartPeriod()
	if err = d.awaitMore(ctx, consentsGiven, 1); err == nil {
		err = d.awaitMore(ctx, acknowledged, acknowledgedEach)
	}
	if err := errors.Join(err, shopping.end()); err != nil {
		return err
	}
	if err := d.Recover(ctx); err != nil {
		return err
	}
	for _, r := range replicas {
		r.kill()
	}
	return errors.Join(d.verifyTraffic(ctx), d.administer(ctx, u.reset))
}
