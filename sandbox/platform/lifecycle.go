package platform

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Upper bounds of repetitions.
const (
	maxPolls    = 100 // repetitions of an operation that answers 202
	maxCleanups = 6   // attempts to clean up after a failed provisioning, as observed on a real platform (docs/reference/aps-protocol.md §1.7)
)

// provision calls POST /{service} for a resource that is stored as provisioning. On success the resource is ready;
// otherwise provision removes it, at the connector too.
func (p *Platform) provision(ctx context.Context, in *instance, id string, c cause) error {
	answer, err := p.lifecycle(ctx, in, id, http.MethodPost, "/"+p.service(id), c)
	if err == nil && !slices.Contains([]int{200, 201, 204}, answer.Status) {
		err = refused("provisioning", answer)
	}
	if err == nil {
		err = p.storeAnswer(id, answer, ready)
	}
	if err == nil {
		return nil
	}
	p.setStatus(id, unprovisioning)
	// Cleaning up continues even if the caller no longer waits.
	p.cleanUp(context.WithoutCancel(ctx), in, id, c)
	return err
}

// cleanUp calls DELETE until it succeeds, and removes the resource.
func (p *Platform) cleanUp(ctx context.Context, in *instance, id string, c cause) {
	for range maxCleanups {
		answer, err := p.lifecycle(ctx, in, id, http.MethodDelete, p.path(id), c)
		if err == nil && slices.Contains([]int{200, 204, 405}, answer.Status) {
			break
		}
		p.cfg.Log.WarnContext(ctx, "cleaning up failed", "resource", id, "status", answer.Status, "err", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forget(id)
}

// lifecycle makes one lifecycle call and repeats it while the connector answers 202 (docs/reference/aps-protocol.md §1.7).
func (p *Platform) lifecycle(ctx context.Context, in *instance, id, method, path string, c cause) (Answer, error) {
	phase := "sync"
	if method == http.MethodDelete {
		phase = "" // not sent by a real platform (docs/reference/aps-protocol.md §1.1)
	}
	for range maxPolls {
		call := hookCall{method: method, path: path, phase: phase, cause: c}
		p.mu.Lock()
		r := p.resources[id]
		if r == nil {
			p.mu.Unlock()
			return Answer{}, notFound("resource", id)
		}
		call.owner = r.owner
		if method != http.MethodDelete {
			call.body = clone(p.view(audience{account: r.owner, instance: r.instance}, r))
		}
		p.mu.Unlock()

		answer, err := p.hook(ctx, in, call)
		if err != nil || answer.Status != http.StatusAccepted {
			return answer, err
		}
		if err := p.storeAnswer(id, answer, ""); err != nil {
			return Answer{}, err
		}
		seconds, err := strconv.Atoi(answer.Header.Get("APS-Retry-Timeout"))
		if err != nil || seconds < 0 {
			return Answer{}, refuse(http.StatusInternalServerError, "Exception", "the application answered 202 without APS-Retry-Timeout")
		}
		if err := p.cfg.Wait(ctx, time.Duration(seconds)*time.Second); err != nil {
			return Answer{}, err
		}
		phase = "async"
	}
	return Answer{}, refuse(http.StatusInternalServerError, "Exception", "the application never finished")
}

// storeAnswer stores the properties that a connector answered (docs/reference/aps-protocol.md §3.4), and the status unless
// that is empty.
func (p *Platform) storeAnswer(id string, a Answer, status string) error {
	values, err := a.values()
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.resources[id]
	if r == nil {
		return notFound("resource", id)
	}
	if err := p.setProperties(r, values); err != nil {
		return err
	}
	if status != "" {
		r.status = status
	}
	p.touch(r)
	return nil
}

// values returns the properties in an answer of a connector; nil without any.
func (a Answer) values() (values map[string]any, err error) {
	if len(a.Body) > 0 && a.Status != http.StatusNoContent && json.Unmarshal(a.Body, &values) != nil {
		return nil, refuse(http.StatusInternalServerError, "Exception", "the application's answer is not a JSON object")
	}
	return values, nil
}

// setProperties stores properties from the application that owns the resource, also those that users cannot set.
func (p *Platform) setProperties(r *resource, values map[string]any) error {
	t := p.types[r.typeID]
	changed := make(map[string]any)
	relations := relationsOf(p.types, t)
	for name, v := range values {
		if name == "aps" {
			aps, _ := v.(map[string]any)
			if other, ok := aps["id"]; ok && other != r.id {
				return refuse(http.StatusInternalServerError, "Exception", "the application answered for the resource %v instead of %s", other, r.id)
			}
			if other, ok := aps["type"]; ok && other != r.typeID {
				return refuse(http.StatusInternalServerError, "Exception", "the application answered with the type %v instead of %s", other, r.typeID)
			}
			continue
		}
		if relations[name] == nil { // the platform owns links; an application may send them back
			changed[name] = v
		}
	}
	if err := checkProperties(t, changed); err != nil {
		return refuse(http.StatusInternalServerError, "Exception", "the application's answer is not allowed: %s", asRefusal(err).Message)
	}
	r.properties = merged(r.properties, changed)
	return nil
}

func (p *Platform) setStatus(id, status string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r := p.resources[id]; r != nil {
		r.status = status
		p.touch(r)
	}
}

func (p *Platform) service(id string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r := p.resources[id]; r != nil {
		return r.service
	}
	return ""
}

// path returns a resource's path below its endpoint.
func (p *Platform) path(id string) string { return "/" + p.service(id) + "/" + id }

// served returns a resource and the instance that serves it.
func (p *Platform) served(id string) (*instance, *resource, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.resources[id]
	if r == nil {
		return nil, nil, notFound("resource", id)
	}
	in := p.instances[r.instance]
	if in == nil || in.installed == nil {
		return nil, nil, forbidden("resource %s is the platform's own", id)
	}
	return in, r, nil
}

// Configure changes properties of a resource as a user does: it calls the connector's PUT with the new values, and stores
// them only if the connector accepts them. userID is empty for the platform itself.
func (p *Platform) Configure(ctx context.Context, userID, id string, changed map[string]any) error {
	return p.ConfigureAs(ctx, AsUser(userID), id, changed)
}

// ConfigureAs is Configure for any caller who owns or administers the resource, for example another application.
func (p *Platform) ConfigureAs(ctx context.Context, by Caller, id string, changed map[string]any) error {
	in, r, c, err := p.servedFor(by, id)
	if err != nil {
		return err
	}
	p.mu.Lock()
	t := p.types[r.typeID]
	old := r.properties
	if err = checkChanged(t, old, changed); err == nil {
		r.properties = merged(old, changed)
		r.status = configuring
		p.touch(r)
	}
	p.mu.Unlock()
	if err != nil {
		return err
	}
	answer, err := p.lifecycle(ctx, in, id, http.MethodPut, p.path(id), c)
	if err == nil && !slices.Contains([]int{200, 204}, answer.Status) {
		err = refused("configuring", answer)
	}
	if err == nil {
		err = p.storeAnswer(id, answer, ready)
	}
	if err != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		r.properties, r.status = old, ready
		p.touch(r)
	}
	return err
}

// Refresh reads a resource's properties from the connector, as the platform does by itself from time to time.
func (p *Platform) Refresh(ctx context.Context, id string) error { return p.refresh(ctx, id, cause{}) }

func (p *Platform) refresh(ctx context.Context, id string, c cause) error {
	in, r, err := p.served(id)
	if err != nil {
		return err
	}
	answer, err := p.hook(ctx, in, hookCall{method: http.MethodGet, path: p.path(id), cause: c, owner: r.owner})
	if err != nil {
		return err
	}
	if answer.Status != http.StatusOK {
		return refused("reading", answer)
	}
	return p.storeAnswer(id, answer, "")
}

// Delete removes a resource other than a root, as a user does: only when the connector accepts it. userID may be empty.
func (p *Platform) Delete(ctx context.Context, userID, id string) error {
	return p.DeleteAs(ctx, AsUser(userID), id)
}

// DeleteAs is Delete for any caller who owns or administers the resource.
func (p *Platform) DeleteAs(ctx context.Context, by Caller, id string) error {
	in, r, c, err := p.servedFor(by, id)
	if err != nil {
		return err
	}
	if in.root == id {
		return conflict("a root resource is removed with its instance")
	}
	p.mu.Lock()
	subscription := r.subscription
	p.mu.Unlock()
	if err := p.unprovision(ctx, in, id, c); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forget(subscription)
	return nil
}

// unprovision calls DELETE once; a refusal keeps the resource.
func (p *Platform) unprovision(ctx context.Context, in *instance, id string, c cause) error {
	p.setStatus(id, unprovisioning)
	answer, err := p.lifecycle(ctx, in, id, http.MethodDelete, p.path(id), c)
	if err == nil && !slices.Contains([]int{200, 204, 405}, answer.Status) {
		err = refused("unprovisioning", answer)
	}
	if err != nil {
		p.setStatus(id, ready)
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forget(id)
	return nil
}

// servedFor is served for a caller, who must be the owner or an administrator of the resource. It returns the caller as the
// cause of hooks.
func (p *Platform) servedFor(by Caller, id string) (*instance, *resource, cause, error) {
	in, r, err := p.served(id)
	if err != nil {
		return nil, nil, cause{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c, a, err := p.identify(by)
	if err != nil {
		return nil, nil, cause{}, err
	}
	if role := p.role(a, r); role != "owner" && role != "admin" {
		return nil, nil, cause{}, forbidden("%s may not change resource %s", p.describe(c.account), id)
	}
	return in, r, c, nil
}
