package controller

import (
	"cmp"
	"context"
	"net/http"
	"net/url"

	"azure-partner-connector/connector/binding"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
)

// tasksPath is the platform's scheduler (docs/reference/aps-protocol.md §5.4).
const tasksPath = "/aps/2/services/periodic-task-manager/tasks"

// A taskBody is a task in the platform's form: the id of a new task is empty, and the period is in seconds.
type taskBody struct {
	ID          string   `json:"taskUuid"`
	Name        string   `json:"taskName"`
	Description string   `json:"taskDescription"`
	Call        taskCall `json:"callInfo"`
	Schedule    schedule `json:"schedule"`
}

type taskCall struct {
	ResourceID string `json:"resourceId"`
	Path       string `json:"path"`
	Verb       string `json:"verb"`
}

type schedule struct {
	Period      int    `json:"period"`
	PeriodType  string `json:"periodType"`
	StartHour   int    `json:"startHour"`
	StartMinute int    `json:"startMinute"`
}

// ScheduleDaily implements binding.Controller.
func (c *Client) ScheduleDaily(ctx context.Context, in tenant.Instance, task binding.Task) (id string, err error) {
	const day = 24 * 60 * 60
	body := taskBody{
		Name: task.Name, Description: task.Description,
		Call:     taskCall{in.RootID, task.Path, http.MethodGet},
		Schedule: schedule{day, "SECONDS", task.Hour, task.Minute},
	}
	var created taskBody
	if err := c.Call(ctx, in, Request{Method: http.MethodPost, Path: tasksPath, Body: body, AsRoot: true}, &created); err != nil {
		return "", err
	}
	if created.ID == "" {
		return "", failure.New(failure.PlatformRefused, "reason", "it returned no id of the periodic task")
	}
	return created.ID, nil
}

// CancelTask implements binding.Controller.
func (c *Client) CancelTask(ctx context.Context, in tenant.Instance, id string) error {
	err := c.Call(ctx, in, Request{Method: http.MethodDelete, Path: tasksPath + "/" + url.PathEscape(id), AsRoot: true}, nil)
	if failure.Is(err, failure.NotFound) {
		return nil
	}
	return err
}

// accountType is the type of accounts that applications may subscribe to (docs/reference/aps-protocol.md §4.7).
const accountType = "http://aps-standard.org/types/core/account/1.0"

// eventChanged is the event of a resource whose properties changed (docs/reference/aps-protocol.md §3.7).
const eventChanged = "http://aps-standard.org/core/events/changed"

type subscriptionBody struct {
	Event    string             `json:"event"`
	Source   subscriptionSource `json:"source"`
	Relation string             `json:"relation"`
	Handler  string             `json:"handler"`
}

type subscriptionSource struct {
	Type string `json:"type"`
}

// SubscribeAccounts implements binding.Controller (docs/reference/aps-protocol.md §3.7). It returns the handler's name
// when the platform returns no id of the subscription.
func (c *Client) SubscribeAccounts(ctx context.Context, in tenant.Instance, relation, handler string) (id string, err error) {
	path := "/aps/2/resources/" + url.PathEscape(in.RootID) + "/aps/subscriptions"
	type subscription struct {
		subscriptionBody
		ID  string `json:"id"`
		APS struct {
			ID string `json:"id"`
		} `json:"aps"`
	}
	var existing []subscription
	if err := c.Call(ctx, in, Request{Method: http.MethodGet, Path: path, AsRoot: true}, &existing); err != nil {
		return "", err
	}
	for _, s := range existing {
		if s.Event == eventChanged && s.Handler == handler {
			return cmp.Or(s.ID, s.APS.ID, handler), nil
		}
	}
	var created subscription
	body := subscriptionBody{eventChanged, subscriptionSource{accountType}, relation, handler}
	if err := c.Call(ctx, in, Request{Method: http.MethodPost, Path: path, Body: body, AsRoot: true}, &created); err != nil {
		return "", err
	}
	return cmp.Or(created.ID, created.APS.ID, handler), nil
}

// LinkAccount implements binding.Controller (docs/reference/aps-protocol.md §5.2).
func (c *Client) LinkAccount(ctx context.Context, in tenant.Instance, relation, accountID string) error {
	accountID, err := canonical(accountID)
	if err != nil {
		return err
	}
	path := "/aps/2/application/app/" + url.PathEscape(in.RootID) + "/" + relation + "/" + accountID
	return c.Call(ctx, in, Request{Method: http.MethodPost, Path: path, AsRoot: true}, nil)
}

// PushRoot implements binding.Controller. The platform does not call us back (docs/reference/aps-protocol.md §5.2).
func (c *Client) PushRoot(ctx context.Context, in tenant.Instance, properties map[string]any) error {
	return c.Call(ctx, in, Request{Method: http.MethodPut, Path: "/aps/2/application/app/" + url.PathEscape(in.RootID), Body: properties}, nil)
}
