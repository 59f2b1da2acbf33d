package bench

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/client"
	"azure-partner-connector/connector/tenant"
)

// The bars of what clients do, against the baselines.
const (
	clientLendingBar = 0.60 // of the rate
	clientTailBar    = 3.0  // times the baseline's p99, with fewConnections
	egressBar        = 0.65 // of the rate
	egressLatencyBar = 500  // microseconds more than the baseline's p50
)

// forwarded is the size of the answers that are forwarded.
const forwarded = 1024

// severalSteps explains what a client's call costs where a few steps stand against one.
const severalSteps = "Nothing is read from the database for most calls. Of the processor time that a call takes besides net/http, a third is lending (finding the tenant and its " +
	"grant in memory, unsealing, counting), a quarter writing JSON, a tenth the keyed hash; the rest is the deadline, headers, metrics and the log's record. " + sharedProcessors

// A served is the connector with the listeners for clients, and their keys.
type served struct {
	*process
	api, egress    string // addresses
	lender, reader string // keys
	tenant, target string // its ID, and the address of the upstream
	db             database
}

// clients measures lending to clients by both protocols, and forwarding.
func (e *Env) clients(ctx context.Context) (rows []Row, err error) {
	target, err := e.startSubprocess(ctx, "baseline", "constant", strconv.Itoa(forwarded))
	if err != nil {
		return nil, err
	}
	defer func() { err = stopAfter(err, target) }()
	s, err := e.serveClients(ctx, target.address)
	if err != nil {
		return nil, err
	}
	defer func() { err = stopAfter(err, s.process) }()

	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("lender:"+s.lender))
	form := "grant_type=client_credentials&scope=graph"
	oauth := fmt.Sprintf("POST /oauth2/token HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", basic, len(form), form)
	identity := "GET /msi/token?api-version=2019-08-01&resource=https://graph.microsoft.com HTTP/1.1\r\nHost: x\r\nX-IDENTITY-HEADER: " + s.lender + "\r\n\r\n"
	for _, protocol := range []struct{ name, header, key, plain string }{
		{"OAuth client credentials", "Authorization", basic, oauth}, {"managed identity", "X-IDENTITY-HEADER", s.lender, identity},
	} {
		taken, err := e.lendingTo(ctx, s, protocol.name, protocol.header, protocol.key, request{plain: protocol.plain})
		rows = append(rows, taken...)
		if err != nil {
			return rows, err
		}
	}
	taken, err := e.forwarding(ctx, s)
	return append(rows, taken...), err
}

// lendingTo compares lending by a protocol with a handler that compares the key and responds with a constant.
func (e *Env) lendingTo(ctx context.Context, s served, name, header, key string, r request) (rows []Row, err error) {
	body, err := e.send(ctx, s.api, r)
	if err != nil {
		return nil, err
	}
	baseline, err := e.startSubprocess(ctx, "baseline", "key", strconv.Itoa(len(body)), header, key)
	if err != nil {
		return nil, err
	}
	defer func() { err = stopAfter(err, baseline) }()
	all, err := e.compare(ctx, baseline.target(), target{s.process, s.api}, func(int) request { return r })
	if err != nil {
		return nil, err
	}
	const does = "The baseline is an echo handler that compares the key with one in memory and responds with a constant of the same size. The connector looks the key up by its " +
		"keyed hash, takes client, tenant and grant, proven by their MACs, as they were read up to a second ago, unseals the access token, and counts the lending."
	name = "lending by " + name + ", counted by the minute"
	return all.rows(name, does, fmt.Sprintf("MariaDB, responses of %d bytes.", len(body)), severalSteps,
		bar{maxConnections, rate, clientLendingBar}, bar{fewConnections, p99, clientTailBar}), nil
}

// forwarding compares the egress with a reverse proxy that adds a fixed header.
func (e *Env) forwarding(ctx context.Context, s served) (rows []Row, err error) {
	const accessToken = "a fixed access token"
	baseline, err := e.startSubprocess(ctx, "baseline", "proxy", "2", "http://"+s.target, accessToken)
	if err != nil {
		return nil, err
	}
	defer func() { err = stopAfter(err, baseline) }()
	call := request{plain: "GET /graph/" + s.tenant + "/v1.0/users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + s.reader + "\r\n\r\n"}
	if _, err := e.send(ctx, s.egress, call); err != nil {
		return nil, err
	}
	all, err := e.compare(ctx, baseline.target(), target{s.process, s.egress}, func(int) request { return call })
	if err != nil {
		return nil, err
	}
	const does = "The baseline is httputil.ReverseProxy with a fixed access token, before the same local target. The connector looks the key up by its keyed hash, " +
		"compares the call with the client's rules, takes client, tenant and grant as they were read up to a second ago, unseals the access token, and counts the call."
	return all.rows("forwarding a GET of 1 KiB, counted by the minute", does, "MariaDB.", severalSteps,
		bar{maxConnections, rate, egressBar}, bar{fewConnections, p50Added, egressLatencyBar}), nil
}

// serveClients starts the connector on a database with one tenant and two clients. Its Graph is the upstream.
func (e *Env) serveClients(ctx context.Context, target string) (s served, err error) {
	db, err := e.mysql(ctx)
	if err != nil {
		return served{}, err
	}
	ids, err := e.fill(ctx, db, 1, time.Now().Add(later))
	if err != nil {
		return served{}, err
	}
	s.tenant, s.target, s.db = ids[0], target, db
	if err := e.addClients(ctx, db, &s); err != nil {
		return served{}, err
	}
	var hooks string
	for _, address := range []*string{&hooks, &s.api, &s.egress} {
		if *address, err = freeAddress(ctx); err != nil {
			return served{}, err
		}
	}
	file, err := e.configuration(db, hooks, "127.0.0.1:0")
	if err != nil {
		return served{}, err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return served{}, err
	}
	text = fmt.Appendf(text, `api: {listen: %q, publicURL: "http://localhost", audit: minute, connections: {perClient: %d}}
egress: {listen: %q, publicURL: "http://localhost", connections: {perClient: %d}}
clouds: [{name: global, graph: {baseURL: "http://%s"}}]
log: {level: warn}
`, s.api, maxConnections, s.egress, maxConnections, target)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return served{}, err
	}
	s.process, err = e.startSubprocess(ctx, "connector", file)
	return s, err
}

// addClients adds one client that lends, and one that forwards.
func (e *Env) addClients(ctx context.Context, db database, s *served) error {
	st, err := e.open(ctx, db)
	if err != nil {
		return err
	}
	clients, err := client.New(client.Config{Store: st, Hasher: e.keyring, Refusals: audit.NewTally(st, time.Now)})
	if err != nil {
		return errors.Join(err, st.Close())
	}
	by := audit.Actor{Kind: audit.Operator, ID: "bench"}
	scopes := client.Scopes{Tenants: []string{s.tenant}, APIs: []string{"graph"}, Directories: []string{tenant.PartnerDirectory}, Operations: []client.Operation{client.Lend}}
	lender, err := clients.Add(ctx, client.Client{Name: "lender", Scopes: scopes}, by)
	if err != nil {
		return errors.Join(err, st.Close())
	}
	scopes.Operations = []client.Operation{client.Forward}
	scopes.Forward = []client.Rule{{API: "graph", Methods: []string{"GET"}, Path: "/v1.0/users/**"}}
	reader, err := clients.Add(ctx, client.Client{Name: "reader", Scopes: scopes}, by)
	s.lender, s.reader = lender.Reveal(), reader.Reveal()
	return errors.Join(err, st.Close())
}
