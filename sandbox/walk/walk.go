// Package walk runs the whole sandbox without a person, from installation to an expired token, and checks every step.
package walk

import (
	"context"
	"fmt"
	"io"
	"time"

	"azure-partner-connector/sandbox/world"
)

// A step is one line of the walk. run returns what it has checked.
type step struct {
	name string
	run  func(ctx context.Context, w *walker) (checked string, err error)
}

// A walker is the state that the steps share.
type walker struct {
	world  *world.World
	rootID string // of the instance, once it is registered
}

// waitLimit is how long the walk waits, in real time, for work that the connector does in the background. It only guards
// against a hang: every wait ends with its condition.
const waitLimit = 4 * time.Minute

// Run runs all steps in a started sandbox without an installation, prints one line per step, and returns the first failure.
func Run(ctx context.Context, w *world.World, out io.Writer) error {
	walking := &walker{world: w}
	for i, s := range steps() {
		checked, err := s.run(ctx, walking)
		if err != nil {
			fmt.Fprintf(out, "✗ %2d  %s: %v\n", i+1, s.name, err)
			return fmt.Errorf("step %d, %s: %w", i+1, s.name, err)
		}
		fmt.Fprintf(out, "✓ %2d  %s — %s\n", i+1, s.name, checked)
	}
	return nil
}

func steps() []step {
	return []step{
		{"package 1-1 is registered, the instance created through signed hooks", registerFirst},
		{"two resellers get a tenant each", createTenants},
		{"an unsigned hook is refused", refuseUnsigned},
		{"a reseller cannot reach another's tenant", refuseForeign},
		{"manual procedure of Baltic IT: link, sign-in, claim code", manual},
		{"the platform triggers renewals daily", periodicTask},
		{"package 2-1 upgrades the instance", upgrade},
		{"registering again", registerAgain},
		{"the platform suspends Baltic IT, and resumes it", suspension},
		{"the platform tries to move Baltic IT's subscription, and is refused", refuseMove},
		{"a consent of a foreign directory is refused", refuseDirectory},
		{"a consent without MFA is refused", refuseNoMFA},
		{"Alpine South sends its automatic link to the administrator of Coral Corp and gets nothing", phish},
		{"automatic procedure of Alpine Cloud", automatic},
		{"another administrator takes over, and back, confirmed both times", takeOver},
		{"an access token for each API is issued and works", lend},
		{"an access token for a customer is issued and works in the customer's Azure", lendForCustomer},
		{"a program borrows by OAuth 2.0 client credentials, also for the customer", lendByOAuth},
		{"a program borrows as a managed identity, also for the customer", lendAsIdentity},
		{"a program borrows by REST for the customer", lendByREST},
		{"a program's calls are forwarded, also to the customer's Azure", forward},
		{"a monitor reads and checks by REST; a removed client is refused", monitor},
		{"a reseller changes its name", renameReseller},
		{"the shared secret is replaced", rotateSecret},
		{"the clock moves 10 days: Alpine Cloud is renewed", renewal},
		{"the clock moves to day 91: Alpine Cloud is still active", longLife},
		{"Baltic IT, whose renewals were blocked, has expired", expired},
		{"the history shows who did what", history},
		{"the operator allows moves: Baltic IT's subscription moves to another account", allowMove},
		{"the platform forgets the instance, and it is registered again", forgotten},
		{"the tenants are removed, the instance is unregistered", unregister},
	}
}
