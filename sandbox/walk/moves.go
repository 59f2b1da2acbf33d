package walk

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"azure-partner-connector/sandbox/platform"
	"azure-partner-connector/sandbox/world"
)

// refuseMove tries to move a subscription with a token, in the platform's order and without asking first.
func refuseMove(ctx context.Context, w *walker) (string, error) {
	baltic := w.world.TenantOf(world.Bjorn)
	other, err := w.world.NewOwner()
	if err != nil {
		return "", err
	}
	if err := w.world.Platform.Move(ctx, baltic.ID, other.AccountID); err == nil {
		return "", errors.New("the subscription moved with its token")
	}
	var refused *platform.Refusal
	if err := w.world.Platform.Relink(ctx, baltic.ID, other.AccountID); !errors.As(err, &refused) || refused.Status != http.StatusConflict {
		return "", fmt.Errorf("the link with another account was not refused with 409: %w", err)
	}
	// The platform may also remove the link first. Then nothing is issued until the old account is linked again.
	if err := w.world.Platform.Unlink(ctx, baltic.ID, baltic.AccountID); err != nil {
		return "", err
	}
	var unlinked *refusal
	if _, err := w.borrow(ctx, world.Bjorn, "graph"); !errors.As(err, &unlinked) || unlinked.Details.Code != "unlinked" {
		return "", fmt.Errorf("borrowing without the link was not refused as unlinked: %w", err)
	}
	if err := w.world.Platform.Relink(ctx, baltic.ID, baltic.AccountID); err != nil {
		return "", err
	}
	if _, err := w.borrow(ctx, world.Bjorn, "graph"); err != nil {
		return "", fmt.Errorf("borrowing after the link is back: %w", err)
	}
	_, err = w.active(ctx, world.Bjorn, world.BalticAdmin)
	return fmt.Sprintf("%q; while no account is linked, nothing is issued; the same token works afterwards", refused.Message), err
}

// allowMove moves the subscription once the operator allows it: the token of the old account is gone, and so is its access.
func allowMove(ctx context.Context, w *walker) (string, error) {
	baltic := w.world.TenantOf(world.Bjorn)
	other, err := w.world.NewOwner()
	if err != nil {
		return "", err
	}
	if err := w.world.AllowMoves(ctx, true); err != nil {
		return "", err
	}
	if err := w.world.Platform.Move(ctx, baltic.ID, other.AccountID); err != nil {
		return "", err
	}
	var st status
	if err := w.call(ctx, world.Nora, http.MethodGet, baltic.ID, "tokenStatus", nil, &st); err != nil {
		return "", fmt.Errorf("the new account cannot see the status: %w", err)
	}
	if st.State != "absent" {
		return "", fmt.Errorf("the status is %s, want absent", st.State)
	}
	var events []struct {
		Action string `json:"action"`
	}
	if err := w.call(ctx, world.Nora, http.MethodGet, baltic.ID, "history", nil, &events); err != nil {
		return "", err
	}
	for _, e := range events {
		if e.Action == "consent.granted" || e.Action == "token.lent" {
			return "", fmt.Errorf("the new account sees %s of the old one", e.Action)
		}
	}
	var refused *refusal
	if _, err := w.status(ctx, world.Bjorn); !errors.As(err, &refused) || refused.Code != http.StatusForbidden {
		return "", fmt.Errorf("the old account was not refused: %w", err)
	}
	return "the token is destroyed, the new account owns the tenant and sees nothing of what was before, the old one gets 403", w.world.AllowMoves(ctx, false)
}

// forgotten lets the platform lose the instance and one tenant, and registers again.
func forgotten(ctx context.Context, w *walker) (string, error) {
	south := w.world.TenantOf(world.Susan)
	old := w.rootID
	if err := w.world.Platform.ForgetInstance(w.world.Platform.InstanceOf(old), south.ID); err != nil {
		return "", err
	}
	if err := w.world.Unregister(ctx); err != nil {
		return "", fmt.Errorf("unregistering what the platform does not have: %w", err)
	}
	done, err := w.world.Register(ctx, nil)
	if err != nil {
		return "", err
	}
	if !done.Created || done.RootID == old {
		return "", fmt.Errorf("it did %+v, want another root resource", done)
	}
	w.rootID = done.RootID
	if _, err := w.await(ctx, world.Rita, "the platform shows that it has Alpine Cloud's tenant", func(st status) bool { return st.State == "active" }); err != nil {
		return "", err
	}
	if _, err := w.borrow(ctx, world.Rita, "graph"); err != nil {
		return "", fmt.Errorf("borrowing afterwards: %w", err)
	}
	w.world.Clock.Advance(5 * time.Minute) // a sweep that failed while the platform had no instance is tried again after a minute
	var lost []string
	asked := func() bool {
		lost, err = w.world.Lost(ctx)
		return err != nil || len(lost) <= 1
	}
	if err := until(ctx, "the connector has asked the platform for all tenants", asked); err != nil {
		return "", err
	}
	if err != nil {
		return "", err
	}
	if len(lost) != 1 || lost[0] != south.ID {
		return "", fmt.Errorf("the platform is said not to have %v, want the tenant of Alpine South", lost)
	}
	if err := w.world.RemoveLost(ctx, world.Susan); err != nil {
		return "", err
	}
	again, err := w.world.Register(ctx, nil)
	if err != nil || again.Created {
		return "", fmt.Errorf("registering again did %+v: %w", again, err)
	}
	return "a new root resource takes the place of the old one, and the same token works; the tenant that the platform lost is listed, and removed by command", nil
}
