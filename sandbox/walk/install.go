package walk

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"azure-partner-connector/sandbox/world"
)

func registerFirst(ctx context.Context, w *walker) (string, error) {
	made, err := w.world.RegisterFirst(ctx)
	if err != nil {
		return "", err
	}
	w.rootID = made.RootID
	root := w.root()
	aps, _ := root["aps"].(map[string]any)
	if aps["status"] != "aps:ready" || !strings.HasSuffix(typeOf(root), "/app/1.0") {
		return "", fmt.Errorf("the root resource is %v, want one of app/1.0 that is aps:ready", aps)
	}
	if kept := root["applicationSecret"]; kept != "" && kept != nil {
		return "", errors.New("the platform still stores the secret of the application")
	}
	return "the root resource is ready, and the platform stores no copy of the secret", nil
}

func registerAgain(ctx context.Context, w *walker) (string, error) {
	done, err := w.world.Register(ctx, nil)
	if err == nil && (done.Imported || done.Created || done.Upgraded) {
		err = fmt.Errorf("it changed something: %+v", done)
	}
	return "nothing changed", err
}

func unregister(ctx context.Context, w *walker) (string, error) {
	if err := w.world.Unregister(ctx); err == nil {
		return "", errors.New("the platform deleted the instance while it had tenants")
	}
	if err := w.world.RemoveTenants(ctx); err != nil {
		return "", err
	}
	if err := w.world.Unregister(ctx); err != nil {
		return "", err
	}
	return "refused while there were tenants, then done", w.world.Unregister(ctx)
}

func createTenants(ctx context.Context, w *walker) (string, error) {
	if err := w.world.Tenants(ctx); err != nil {
		return "", err
	}
	for _, login := range []string{world.Rita, world.Bjorn} {
		st, err := w.status(ctx, login)
		if err != nil {
			return "", err
		}
		if st.State != "absent" {
			return "", fmt.Errorf("the status of %s is %s, want absent", w.world.TenantOf(login).Name, st.State)
		}
	}
	return "both are ready, and their status is absent", nil
}

func refuseUnsigned(ctx context.Context, w *walker) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, w.world.HooksURL+"/tenant/"+w.world.TenantOf(world.Rita).ID+"/tokenStatus", nil)
	if err != nil {
		return "", err
	}
	answer, err := world.NewBrowser().Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusUnauthorized {
		return "", fmt.Errorf("it was answered with %s, want 401", answer.Status)
	}
	return "401", nil
}

func refuseForeign(ctx context.Context, w *walker) (string, error) {
	err := w.call(ctx, world.Bjorn, http.MethodPost, w.world.TenantOf(world.Rita).ID, "consents", nil, nil)
	var refused *refusal
	if !errors.As(err, &refused) || refused.Code != http.StatusForbidden && refused.Code != http.StatusNotFound {
		return "", fmt.Errorf("it was not refused: %w", err)
	}
	return strings.TrimSuffix(refused.Message, "."), nil
}
