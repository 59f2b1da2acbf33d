package platform_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/binding"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/httpclient"
	"azure-partner-connector/connector/platform/controller"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/sandbox/clock"
	"azure-partner-connector/sandbox/platform"
)

// timed starts a platform with an instance and a clock of the test, and returns the connector's client too.
func timed(t *testing.T) (*platform.Platform, *connector, *clock.Clock, *controller.Client, tenant.Instance) {
	t.Helper()
	now := &clock.Clock{}
	p := start(t, func(c *platform.Config) { c.Now = now.Now })
	c := newConnector(t)
	c.now = now.Now
	made, err := p.CreateInstance(t.Context(), c.URL+"/aps", key, secret.New(sharedSecret), nil)
	if err != nil {
		t.Fatalf("CreateInstance() = %v", err)
	}
	connections, err := httpclient.New(httpclient.Config{Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	client, err := controller.New(controller.Config{
		HTTP: connections, Now: now.Now,
		Secrets: func(string) ([]secret.Text, bool) { return []secret.Text{secret.New(sharedSecret)}, true },
	})
	if err != nil {
		t.Fatal(err)
	}
	return p, c, now, client, tenant.Instance{Key: key, ControllerURI: p.ControllerURI(), RootID: made.RootID}
}

func nightly(path string) binding.Task {
	return binding.Task{Name: "test", Path: path, Hour: 3, Minute: 15}
}

func TestRunTasks_OnPlatformsClock(t *testing.T) {
	p, c, now, client, in := timed(t)
	id, err := client.ScheduleDaily(t.Context(), in, nightly("/renewTokens"))
	if err != nil || id == "" {
		t.Fatalf("ScheduleDaily() = %q, %v, want an id", id, err)
	}
	task := p.Tasks()[0]
	if task.ID != id || task.Next.Hour() != 3 || task.Next.Minute() != 15 || !task.Next.After(now.Now()) || task.Next.Sub(now.Now()) > 24*time.Hour {
		t.Errorf("Tasks() = %+v, want one at the next 3:15", task)
	}
	if ran := p.RunTasks(t.Context()); ran != 0 {
		t.Errorf("RunTasks() before its time ran %d, want none", ran)
	}
	now.Advance(task.Next.Sub(now.Now()) + time.Minute)
	if ran := p.RunTasks(t.Context()); ran != 1 {
		t.Errorf("RunTasks() at its time ran %d, want one", ran)
	}
	calls, lines := c.received()
	last := calls[len(calls)-1]
	if lines[len(lines)-1] != "GET /app/ID/renewTokens" || last.header.Get("APS-Identity-ID") != "" || last.header.Get("APS-Application-ID") == "" {
		t.Errorf("last hook = %s %v, want the operation by the scheduler, which is an application, without an identity", lines[len(lines)-1], last.header)
	}
	now.Advance(5 * 24 * time.Hour)
	if ran := p.RunTasks(t.Context()) + p.RunTasks(t.Context()); ran != 1 {
		t.Errorf("RunTasks() after five days ran %d, want one: missed runs are skipped", ran)
	}
	for range 2 { // the second time there is none
		if err := client.CancelTask(t.Context(), in, id); err != nil {
			t.Errorf("CancelTask() = %v", err)
		}
	}
	if tasks := p.Tasks(); len(tasks) != 0 {
		t.Errorf("Tasks() after cancelling = %+v, want none", tasks)
	}
}

func TestRunTasks_ContinuesAfterFailure(t *testing.T) {
	p, c, now, client, in := timed(t)
	if _, err := client.ScheduleDaily(t.Context(), in, nightly("/renewTokens")); err != nil {
		t.Fatal(err)
	}
	c.answer = func(call) (int, map[string]string, string) { return http.StatusBadGateway, nil, "" }
	now.Advance(24 * time.Hour)
	p.RunTasks(t.Context())
	c.answer = nil
	now.Advance(24 * time.Hour)
	p.RunTasks(t.Context())
	if task := p.Tasks()[0]; task.Runs != 2 || task.Failures != 1 {
		t.Errorf("Tasks() = %+v, want two runs, the first a failure", task)
	}
}

func TestScheduleDaily_Refuses(t *testing.T) {
	_, _, _, client, in := timed(t)
	for name, change := range map[string]func(*tenant.Instance, *binding.Task){
		"unknown operation": func(_ *tenant.Instance, task *binding.Task) { task.Path = "/renewAll" },
		"another verb":      func(_ *tenant.Instance, task *binding.Task) { task.Path = "/onAccountChange" },
		"no such hour":      func(_ *tenant.Instance, task *binding.Task) { task.Hour = 24 },
		"foreign resource": func(to *tenant.Instance, _ *binding.Task) {
			to.RootID = "00000000-0000-4000-8000-000000000000"
		},
	} {
		t.Run(name, func(t *testing.T) {
			task, to := nightly("/renewTokens"), in
			change(&to, &task)
			if id, err := client.ScheduleDaily(t.Context(), to, task); err == nil {
				t.Errorf("ScheduleDaily() = %s, want a refusal", id)
			}
		})
	}
}

func TestDeliverEvents_OfLinkedAccounts(t *testing.T) {
	p, c, now, client, in := timed(t)
	north, _ := reseller(t, p, "North", "")
	south, _ := reseller(t, p, "South", "")
	for range 2 { // the second finds the first
		if id, err := client.SubscribeAccounts(t.Context(), in, "accounts", "onAccountChange"); err != nil || id == "" {
			t.Fatalf("SubscribeAccounts() = %q, %v, want an id", id, err)
		}
		if err := client.LinkAccount(t.Context(), in, "accounts", north.ID); err != nil {
			t.Fatalf("LinkAccount() = %v", err)
		}
	}
	for _, account := range []platform.Account{north, south} {
		if err := p.RenameAccount(account.ID, account.Name+" Group"); err != nil {
			t.Fatal(err)
		}
	}
	if made := p.DeliverEvents(t.Context()); made != 1 || p.Undelivered() != 0 {
		t.Errorf("DeliverEvents() = %d with %d left, want the linked account's alone", made, p.Undelivered())
	}
	calls, lines := c.received()
	source, _ := calls[len(calls)-1].body["source"].(map[string]any)
	if lines[len(lines)-1] != "POST /app/ID/onAccountChange" || source["id"] != north.ID {
		t.Errorf("last hook = %s %v, want the event of %s", lines[len(lines)-1], calls[len(calls)-1].body, north.ID)
	}

	// 202 is retried without limit, a failure ten times.
	status := http.StatusAccepted
	c.answer = func(call) (int, map[string]string, string) { return status, nil, "" }
	if err := p.RenameAccount(north.ID, "North"); err != nil {
		t.Fatal(err)
	}
	tries := 0
	again := func(times int) {
		for range times {
			tries += p.DeliverEvents(t.Context())
			now.Advance(2 * time.Minute)
		}
	}
	if again(20); tries != 20 || p.Undelivered() != 1 {
		t.Errorf("an event that is answered with 202 was delivered %d times with %d left, want 20 and no limit", tries, p.Undelivered())
	}
	tries, status = 0, http.StatusInternalServerError
	if again(20); tries != 11 || p.Undelivered() != 0 {
		t.Errorf("an event that is refused was delivered %d times with %d left, want 11 times", tries, p.Undelivered())
	}
}

func TestBill_TellsSubscribersOfTheSubscription(t *testing.T) {
	p, c, made := installed(t)
	north, _ := reseller(t, p, "North", "")
	south, _ := reseller(t, p, "South", "")
	id, other := newTenant(t, p, north), newTenant(t, p, south)
	asRoot := map[string]string{"APS-Resource-ID": made.RootID}
	subscribe := func(event string) int {
		status, _, _ := request(t, p, "POST", "/aps/2/resources/"+id+"/aps/subscriptions", `{"event":"http://parallels.com/aps/events/pa/subscription/`+event+
			`","source":{"type":"http://parallels.com/aps/types/pa/subscription/1.0"},"handler":"check"}`, asRoot, key, sharedSecret)
		return status
	}
	for event, want := range map[string]int{"renewed": 200, "activate/changes": 200, "painted": 400} {
		if got := subscribe(event); got != want {
			t.Errorf("subscribing %s = %d, want %d", event, got, want)
		}
	}
	for _, tenant := range []string{id, other} {
		for _, event := range []string{"renewed", "cancel/changes", "activate/changes"} {
			if err := p.Bill(tenant, event); err != nil {
				t.Errorf("Bill(%s) = %v", event, err)
			}
		}
	}
	if delivered := p.DeliverEvents(t.Context()); delivered != 2 {
		t.Errorf("DeliverEvents() = %d, want the two subscribed events of one tenant", delivered)
	}
	if got := c.last(); got.line() != "POST /tenant/"+id+"/check" || got.body["event"] != "http://parallels.com/aps/events/pa/subscription/activate/changes" {
		t.Errorf("last hook = %s %v, want the change of the subscription", got.line(), got.body)
	}
	for tenant, event := range map[string]string{id: "painted", "x": "renewed"} {
		if err := p.Bill(tenant, event); err == nil {
			t.Errorf("Bill(%s, %s) = nil, want an error", tenant, event)
		}
	}
}

func TestSubscribeAccounts_Refuses(t *testing.T) {
	p, _, _, client, in := timed(t)
	north, _ := reseller(t, p, "North", "")
	id := newTenant(t, p, north)
	if _, err := client.SubscribeAccounts(t.Context(), in, "accounts", "healthCheck"); !failure.Is(err, failure.PlatformRefused) {
		t.Errorf("SubscribeAccounts() with a handler that is a GET = %v, want a refusal", err)
	}
	if _, err := client.SubscribeAccounts(t.Context(), in, "partners", "onAccountChange"); !failure.Is(err, failure.PlatformRefused) {
		t.Errorf("SubscribeAccounts() for an unknown relation = %v, want a refusal", err)
	}
	if err := client.LinkAccount(t.Context(), in, "accounts", id); !failure.Is(err, failure.PlatformRefused) {
		t.Errorf("LinkAccount() with a tenant = %v, want a refusal", err)
	}
	if err := client.LinkAccount(t.Context(), in, "partners", north.ID); !failure.Is(err, failure.PlatformRefused) {
		t.Errorf("LinkAccount() by an unknown relation = %v, want a refusal", err)
	}
	if err := client.LinkAccount(t.Context(), in, "accounts", "../x"); !failure.Is(err, failure.NotFound) {
		t.Errorf("LinkAccount() with what is no id = %v, want not_found", err)
	}
	if err := client.PushRoot(t.Context(), in, map[string]any{"renewalTask": "x", "colour": "red"}); !failure.Is(err, failure.PlatformRefused) {
		t.Errorf("PushRoot() of an undeclared property = %v, want a refusal", err)
	}
}

func TestCallStatic_CallsTheServiceForTheProvider(t *testing.T) {
	p, c := start(t), newConnector(t)
	content := changed(t, "schemas/app.schema", `"operations": {`, `"operations": {"clouds": {"verb": "GET", "path": "/clouds", "static": true,
		"response": {"type": "object"}, "access": {"owner": true, "referrer": false}},`)
	if _, err := p.Import(t.Context(), content); err != nil {
		t.Fatalf("Import() = %v", err)
	}
	made, err := p.CreateInstance(t.Context(), c.URL+"/aps", key, secret.New(sharedSecret), nil)
	if err != nil {
		t.Fatal(err)
	}
	staff, err := p.AddUser(platform.User{Login: "petra", Password: secret.New("pw"), AccountID: p.Provider().ID})
	if err != nil {
		t.Fatal(err)
	}
	_, unrelated := reseller(t, p, "North", "")
	if a := p.CallStatic(t.Context(), platform.AsUser(staff.ID), http.MethodGet, made.ID, "app", "clouds?x=1", nil); a.Status != 200 {
		t.Errorf("CallStatic() = %d %s, want 200", a.Status, a.Body)
	}
	if _, lines := c.received(); lines[len(lines)-1] != "GET /app/clouds?x=1" {
		t.Errorf("last hook = %s, want the operation of the service", lines[len(lines)-1])
	}
	for name, a := range map[string]platform.Answer{
		"unrelated reseller": p.CallStatic(t.Context(), platform.AsUser(unrelated.ID), http.MethodGet, made.ID, "app", "clouds", nil),
		"unknown service":    p.CallStatic(t.Context(), platform.AsUser(staff.ID), http.MethodGet, made.ID, "cloud", "clouds", nil),
		"another verb":       p.CallStatic(t.Context(), platform.AsUser(staff.ID), http.MethodPost, made.ID, "app", "clouds", nil),
		"of a resource":      p.CallStatic(t.Context(), platform.AsUser(staff.ID), http.MethodGet, made.ID, "app", "healthCheck", nil),
		"static by resource": p.Call(t.Context(), platform.AsUser(staff.ID), http.MethodGet, made.RootID, "clouds", nil),
	} {
		if a.Status < 400 || !strings.Contains(string(a.Body), "message") {
			t.Errorf("%s = %d %s, want a refusal", name, a.Status, a.Body)
		}
	}
}
