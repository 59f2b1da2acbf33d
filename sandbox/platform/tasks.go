package platform

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"azure-partner-connector/connector/random"
)

// schedulerID is the instance of pa-core-services, the application that calls periodic tasks
// (docs/reference/aps-protocol.md §3.11).
const schedulerID = "5c4ed000-0000-4000-8000-000000000001"

// A Task is a periodic task of an application (docs/reference/aps-protocol.md §5.4).
type Task struct {
	ID         string
	Name       string
	ResourceID string
	Path       string
	Verb       string
	Period     time.Duration
	Next       time.Time
	Runs       int // number of calls
	Failures   int // number of failed calls

	instance string
	headers  map[string]string
	entity   string
}

// A taskBody is a task in the form of the periodic-task manager.
type taskBody struct {
	ID          string       `json:"taskUuid"`
	Name        string       `json:"taskName"`
	Description string       `json:"taskDescription"`
	Call        taskCall     `json:"callInfo"`
	Schedule    taskSchedule `json:"schedule"`
}

type taskCall struct {
	ResourceID string            `json:"resourceId"`
	Path       string            `json:"path"`
	Verb       string            `json:"verb"`
	Headers    map[string]string `json:"headers,omitempty"`
	Entity     string            `json:"entity,omitempty"`
}

// taskSchedule is when a task runs. The hour and the minute of the start may be numbers, or an empty string for now.
type taskSchedule struct {
	Period      int    `json:"period"`
	PeriodType  string `json:"periodType"`
	StartHour   any    `json:"startHour"`
	StartMinute any    `json:"startMinute"`
}

// first returns the first run and the period of a schedule.
func (s taskSchedule) first(now time.Time) (time.Time, time.Duration, error) {
	if s.Period <= 0 || s.PeriodType != "SECONDS" {
		return time.Time{}, 0, badRequest("the period %d %s of the task is not allowed", s.Period, s.PeriodType)
	}
	period := time.Duration(s.Period) * time.Second
	hour, hourGiven := s.StartHour.(float64)
	minute, minuteGiven := s.StartMinute.(float64)
	if !hourGiven && !minuteGiven {
		return now.Add(period), period, nil
	}
	if hour < 0 || hour > 23 || minute < 0 || minute > 59 {
		return time.Time{}, 0, badRequest("the task cannot start at %v:%v", s.StartHour, s.StartMinute)
	}
	next := time.Date(now.Year(), now.Month(), now.Day(), int(hour), int(minute), 0, 0, time.UTC)
	if !next.After(now) {
		next = next.AddDate(0, 0, 1)
	}
	return next, period, nil
}

// Tasks returns all periodic tasks, the next one first.
func (p *Platform) Tasks() []Task {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []Task
	for _, t := range p.tasks {
		list = append(list, *t)
	}
	slices.SortFunc(list, func(a, b Task) int {
		if order := a.Next.Compare(b.Next); order != 0 {
			return order
		}
		return strings.Compare(a.ID, b.ID)
	})
	return list
}

// RunTasks runs all tasks that are due on the platform's clock, each once however many runs it missed, and returns their
// number. It removes a task whose resource was removed.
func (p *Platform) RunTasks(ctx context.Context) (ran int) {
	now := p.now()
	for _, due := range p.Tasks() {
		if due.Next.After(now) {
			break
		}
		p.runTask(ctx, due)
		ran++
	}
	return ran
}

func (p *Platform) runTask(ctx context.Context, due Task) {
	in, r, err := p.served(due.ResourceID)
	var answer Answer
	if err == nil {
		call := hookCall{method: due.Verb, path: p.path(r.id) + due.Path, cause: cause{application: schedulerID}, owner: r.owner, header: due.headers}
		if due.entity != "" {
			call.body = json.RawMessage(due.entity)
		}
		answer, err = p.hook(ctx, in, call)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.tasks[due.ID]
	if t == nil {
		return
	}
	t.Runs++
	if err != nil || answer.Status >= http.StatusMultipleChoices {
		t.Failures++
		p.cfg.Log.WarnContext(ctx, "periodic task failed", "task", t.ID, "status", answer.Status, "err", err)
	}
	if p.resources[t.ResourceID] == nil {
		delete(p.tasks, t.ID)
	}
	for now := p.now(); !t.Next.After(now); {
		t.Next = t.Next.Add(t.Period)
	}
}

// serveSchedule answers POST …/periodic-task-manager/tasks.
func (p *Platform) serveSchedule(w http.ResponseWriter, r *http.Request, c client) {
	var request taskBody
	err := readJSON(r, &request)
	if err == nil {
		err = p.schedule(c, &request)
	}
	if err != nil {
		p.writeError(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, request)
}

// schedule stores a task of an application. The task may call existing operations of the application's own resources.
func (p *Platform) schedule(c client, request *taskBody) error {
	if c.audience.instance == "" {
		return forbidden("periodic tasks are for applications")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	resource := p.resources[request.Call.ResourceID]
	if resource == nil || resource.instance != c.audience.instance {
		return notFound("resource", request.Call.ResourceID)
	}
	if _, err := p.operation(resource, request.Call.Verb, strings.TrimPrefix(request.Call.Path, "/")); err != nil {
		return err
	}
	next, period, err := request.Schedule.first(p.now())
	if err != nil {
		return err
	}
	request.ID = random.ID()
	p.tasks[request.ID] = &Task{
		ID: request.ID, Name: request.Name, ResourceID: resource.id, Path: request.Call.Path, Verb: request.Call.Verb,
		Period: period, Next: next, instance: resource.instance, headers: maps.Clone(request.Call.Headers), entity: request.Call.Entity,
	}
	return nil
}

// own returns a task of the calling application.
func (p *Platform) own(c client, id string) (*Task, error) {
	t := p.tasks[id]
	if t == nil || c.audience.instance != t.instance {
		return nil, notFound("task", id)
	}
	return t, nil
}

// serveReschedule answers PUT …/tasks/{uuid} with a schedule.
func (p *Platform) serveReschedule(w http.ResponseWriter, r *http.Request, c client) {
	var request taskSchedule
	err := readJSON(r, &request)
	if err == nil {
		err = p.reschedule(c, r.PathValue("id"), request)
	}
	if err != nil {
		p.writeError(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (p *Platform) reschedule(c client, id string, request taskSchedule) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	t, err := p.own(c, id)
	if err != nil {
		return err
	}
	t.Next, t.Period, err = request.first(p.now())
	return err
}

// serveCancel answers DELETE …/tasks/{uuid}.
func (p *Platform) serveCancel(w http.ResponseWriter, r *http.Request, c client) {
	p.mu.Lock()
	_, err := p.own(c, r.PathValue("id"))
	if err == nil {
		delete(p.tasks, r.PathValue("id"))
	}
	p.mu.Unlock()
	if err != nil {
		p.writeError(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// serveTasks answers GET …/tasks, which is for administrators only.
func (p *Platform) serveTasks(w http.ResponseWriter, r *http.Request, c client) {
	if !c.admin {
		p.writeError(w, r, forbidden("the list of tasks is for administrators"))
		return
	}
	list := []map[string]any{}
	for _, t := range p.Tasks() {
		list = append(list, map[string]any{
			"taskUuid": t.ID, "taskName": t.Name, "appInstanceId": t.instance, "nextRun": t.Next.Format(time.RFC3339),
		})
	}
	writeJSON(w, http.StatusOK, list)
}

// readJSON reads a request's body into v.
func readJSON(r *http.Request, v any) error {
	body, err := readBody(r.Body)
	if err == nil {
		err = json.Unmarshal(body, v)
	}
	if err != nil {
		return badRequest("the body cannot be read: %v", err)
	}
	return nil
}
