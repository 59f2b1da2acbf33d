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

// tasksPath is the platform's scheduler (aps-protocol.md §5.4).
const tasksPath = "/aps/2/services/periodic-task-manager/tasks"

// taskBody is a task as the platform wants it: an id that is empty before it has one, and a period in seconds.
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

// ScheduleDaily has the platform call an operation of the root resource every day, and returns the task's id.
func (c *Client) ScheduleDaily(ctx context.Context, in tenant.Instance, task binding.Task) (id string, err error) {
	const day = 24 * 60 * 60
	body := taskBody{
		Name: task.Name, Description: task.Description,
		Call:     taskCall{in.RootID, task.Path, http.MethodGet},
		Schedule: schedule{day, "SECONDS", task.Hour, task.Minute},
	}
	var made taskBody
	if err := c.Call(ctx, in, Request{Method: http.MethodPost, Path: tasksPath, Body: body, AsRoot: true}, &made); err != nil {
		return "", err
	}
	if made.ID == "" {
		return "", failure.New(failure.PlatformRefused, "reason", "it told no id of the periodic task")
	}
	return made.ID, nil
}

// CancelTask ends a periodic task. One that the platform does not have is no error.
func (c *Client) CancelTask(ctx context.Context, in tenant.Instance, id string) error {
	err := c.Call(ctx, in, Request{Method: http.MethodDelete, Path: tasksPath + "/" + url.PathEscape(id), AsRoot: true}, nil)
	if failure.Is(err, failure.NotFound) {
		return nil
	}
	return err
}

// accountType is the type of accounts that applications may ask for (aps-protocol.md §4.7).
const accountType = "http://aps-standard.org/types/core/account/1.0"

// eventChanged is the event of a resource whose properties changed (aps-protocol.md §3.7).
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

// SubscribeAccounts has the platform tell an operation of the root resource of changes of the accounts that are linked
// with it (aps-protocol.md §3.7). It returns the subscription's id, or the handler's name where the platform tells none.
// A subscription that is there already is found and not made again.
func (c *Client) SubscribeAccounts(ctx context.Context, in tenant.Instance, relation, handler string) (id string, err error) {
	path := "/aps/2/resources/" + url.PathEscape(in.RootID) + "/aps/subscriptions"
	type subscription struct {
		subscriptionBody
		ID  string `json:"id"`
		APS struct {
			ID string `json:"id"`
		} `json:"aps"`
	}
	var there []subscription
	if err := c.Call(ctx, in, Request{Method: http.MethodGet, Path: path, AsRoot: true}, &there); err != nil {
		return "", err
	}
	for _, s := range there {
		if s.Event == eventChanged && s.Handler == handler {
			return cmp.Or(s.ID, s.APS.ID, handler), nil
		}
	}
	var made subscription
	body := subscriptionBody{eventChanged, subscriptionSource{accountType}, relation, handler}
	if err := c.Call(ctx, in, Request{Method: http.MethodPost, Path: path, Body: body, AsRoot: true}, &made); err != nil {
		return "", err
	}
	return cmp.Or(made.ID, made.APS.ID, handler), nil
}

// LinkAccount links an account with the root resource, so that its events reach us (aps-protocol.md §5.2).
func (c *Client) LinkAccount(ctx context.Context, in tenant.Instance, relation, accountID string) error {
	accountID, err := canonical(accountID)
	if err != nil {
		return err
	}
	path := "/aps/2/application/app/" + url.PathEscape(in.RootID) + "/" + relation + "/" + accountID
	return c.Call(ctx, in, Request{Method: http.MethodPost, Path: path, AsRoot: true}, nil)
}

// PushRoot stores properties of the root resource at the platform without being called back (aps-protocol.md §5.2).
func (c *Client) PushRoot(ctx context.Context, in tenant.Instance, properties map[string]any) error {
	return c.Call(ctx, in, Request{Method: http.MethodPut, Path: "/aps/2/application/app/" + url.PathEscape(in.RootID), Body: properties}, nil)
}
