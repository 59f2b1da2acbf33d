package chaos

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/store/storetest/dbserver"
)

// nodes is the size of a cluster. With one node less, the others are still a majority.
const nodes = 3

// A replication is what differs between the kinds of cluster.
type replication interface {
	// flavor returns the kind of the nodes' servers.
	flavor() dbserver.Flavor

	// arguments returns the arguments of a node's server. ports are those on which the nodes replicate, in their order.
	arguments(ports []int, i int) ([]string, error)

	// start starts a node's server: the first of a new cluster, one that joins it, or one that was killed.
	start(ctx context.Context, n *node, as role) error

	// membership describes the cluster as a node sees it. What nodes that agree return is equal; it ends with
	// membersSynced when the node serves.
	membership(ctx context.Context, pool *sql.DB) (string, error)

	// repair is called while the nodes are not in agreement, with what each reports, and does what an operator does when
	// they do not recover on their own. It reports whether it did anything.
	repair(ctx context.Context, c *cluster, seen []string) (bool, error)

	// disconnect keeps a node from reaching the others while during runs. Its clients still reach it.
	disconnect(ctx context.Context, n *node, during func() error) error

	// readCommitted is the statement after which a connection reads everything that any node has committed.
	readCommitted() string
}

// A role is why a node starts.
type role int

const (
	first role = iota
	joining
	restarted
)

// A node is one server of a cluster.
type node struct {
	server    *dbserver.Server
	arguments []string
}

// A cluster is three servers that apply each other's transactions.
type cluster struct {
	replication replication
	nodes       []*node
	repairs     int
}

// startCluster starts a new cluster and returns when all nodes are synced.
func startCluster(ctx context.Context, kind replication) (*cluster, error) {
	c := &cluster{replication: kind}
	ports, err := freePorts(nodes)
	if err != nil {
		return nil, err
	}
	for i := range nodes {
		if err := c.add(ctx, ports, i); err != nil {
			return nil, errors.Join(fmt.Errorf("starting node %d: %w", i, err), c.stop())
		}
	}
	return c, nil
}

func (c *cluster) add(ctx context.Context, ports []int, i int) error {
	arguments, err := c.replication.arguments(ports, i)
	if err != nil {
		return err
	}
	server, err := dbserver.Prepare(ctx, dbserver.Config{Flavor: c.replication.flavor(), Durable: true})
	if err != nil {
		return err
	}
	n := &node{server: server, arguments: arguments}
	c.nodes = append(c.nodes, n)
	as := joining
	if i == 0 {
		as = first
	}
	return errors.Join(c.replication.start(ctx, n, as), c.awaitSynced(ctx))
}

func (n *node) run(ctx context.Context, more ...string) error {
	return n.server.Run(ctx, slices.Concat(n.arguments, more)...)
}

// ask calls query with connections to the node's server. What the server does not answer in time is an error.
func (n *node) ask(ctx context.Context, query func(ctx context.Context, pool *sql.DB) error) error {
	ctx, cancel := context.WithTimeout(ctx, queryLimit)
	defer cancel()
	pool, err := openPool(sqldb.MySQL, n.server.DSN(""))
	if err != nil {
		return err
	}
	defer pool.Close()
	return query(ctx, pool)
}

// execute runs statements, in their order, on one connection to the node's server.
func (n *node) execute(ctx context.Context, statements ...string) error {
	pool, err := openPool(sqldb.MySQL, n.server.DSN(""))
	if err != nil {
		return err
	}
	defer pool.Close()
	pool.SetMaxOpenConns(1)
	for _, statement := range statements {
		if _, err := pool.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

// freePorts returns n different ports on which no program listens.
func freePorts(n int) ([]int, error) {
	ports, listeners := make([]int, n), make([]net.Listener, 0, n)
	var err error
	for i := range ports {
		listener, listenErr := net.Listen("tcp", "127.0.0.1:0")
		if listenErr != nil {
			err = fmt.Errorf("finding a free port: %w", listenErr)
			break
		}
		listeners = append(listeners, listener)
		ports[i] = listener.Addr().(*net.TCPAddr).Port
	}
	for _, listener := range listeners {
		err = errors.Join(err, listener.Close())
	}
	return ports, err
}

// addresses returns the addresses of ports, separated by commas.
func addresses(ports []int) string {
	all := make([]string, len(ports))
	for i, port := range ports {
		all[i] = "127.0.0.1:" + strconv.Itoa(port)
	}
	return strings.Join(all, ",")
}

// awaitSynced waits until all nodes serve and agree that all of them are members. A node that was isolated or frozen does
// not know at first that the others have dropped it, so its own answer is not enough.
func (c *cluster) awaitSynced(ctx context.Context) error {
	var seen []string
	err := await(ctx, "the nodes", func(ctx context.Context) (bool, error) {
		reported := c.memberships(ctx, -1)
		if ctx.Err() != nil {
			return false, ctx.Err() // and seen keeps what the nodes answered last
		}
		seen = reported
		if agree(seen) && strings.HasSuffix(seen[0], membersSynced(len(c.nodes))) {
			return true, nil
		}
		repaired, err := c.replication.repair(ctx, c, seen)
		if repaired {
			c.repairs++
		}
		return false, err
	})
	if err != nil {
		return fmt.Errorf("the nodes report %q: %w", seen, err)
	}
	return nil
}

// memberships returns what each node reports, but for one.
func (c *cluster) memberships(ctx context.Context, without int) []string {
	var seen []string
	for i, n := range c.nodes {
		if i == without {
			continue
		}
		var reported string
		err := n.ask(ctx, func(ctx context.Context, pool *sql.DB) (err error) {
			reported, err = c.replication.membership(ctx, pool)
			return err
		})
		if err != nil {
			reported = err.Error()
		}
		seen = append(seen, reported)
	}
	return seen
}

func agree(seen []string) bool { return len(slices.Compact(slices.Clone(seen))) == 1 }

// membersSynced is the end of the membership of a node that serves and that has as many members as size in its view.
func membersSynced(size int) string { return fmt.Sprintf(" of %d synced", size) }

func (c *cluster) stop() error {
	var errs []error
	for i := len(c.nodes) - 1; i >= 0; i-- {
		errs = append(errs, c.nodes[i].server.Stop())
	}
	return errors.Join(errs...)
}

// restarts is how often kill tries to start a node again: another connection may have taken one of its ports meanwhile.
const restarts = 5

// kill kills a node and starts it again. It does not wait for during.
func (c *cluster) kill(ctx context.Context, n *node, _ func() error) error {
	if err := n.server.Kill(); err != nil {
		return err
	}
	for try := 1; ; try++ {
		err := c.replication.start(ctx, n, restarted)
		if err == nil || try == restarts || ctx.Err() != nil {
			return err
		}
		if n.server.Running() {
			if err := n.server.Kill(); err != nil {
				return err
			}
		}
	}
}

// disconnect isolates a node from the others while during runs. Its clients still reach it, but it has no majority.
func (c *cluster) disconnect(ctx context.Context, n *node, during func() error) error {
	return c.replication.disconnect(ctx, n, during)
}

// freeze stops a node's process while during runs, so that its clients hang.
func (c *cluster) freeze(_ context.Context, n *node, during func() error) error {
	if err := n.server.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	return errors.Join(during(), n.server.Signal(syscall.SIGCONT))
}

// awaitTakeover waits until the other nodes have dropped a node, and the replicas on them have renewed everything that the
// replica on that node had leased: then a new period begins. It returns early if the others have lost their majority, too,
// because then nothing more can happen.
func (c *cluster) awaitTakeover(ctx context.Context, d *Deployment, dropped int) error {
	since := -1 // the period in which the node was dropped
	return await(ctx, "the other nodes", func(ctx context.Context) (bool, error) {
		seen := c.memberships(ctx, dropped)
		if slices.Contains(seen, withoutMajority) {
			return true, nil
		}
		if since < 0 && agree(seen) && strings.HasSuffix(seen[0], membersSynced(nodes-1)) {
			since = d.periodsStarted()
		}
		return since >= 0 && d.periodsStarted() > since, nil
	})
}

// clusterFaults spreads replicas over the nodes of a cluster, and kills, disconnects and freezes one node after the other
// while they renew.
func clusterFaults(ctx context.Context, e *Env, s Scale, kind replication) (*Deployment, error) {
	c, err := startCluster(ctx, kind)
	if err != nil {
		return nil, err
	}
	dsns := make([]string, nodes)
	for i, n := range c.nodes {
		dsns[i] = n.server.DSN("")
	}
	return e.onCluster(ctx, s, c, dsns, func(d *Deployment, i int, isolated bool) { d.setIsolated(i, isolated) }, c.stop)
}

// onCluster runs replicas on a cluster that they reach at some addresses, and injects its faults. isolate is told when a node
// is kept from answering, and when no longer. stop stops everything that the deployment did not start.
func (e *Env) onCluster(
	ctx context.Context, s Scale, c *cluster, dsns []string, isolate func(d *Deployment, node int, isolated bool), stop func() error,
) (*Deployment, error) {
	d, err := e.deploy(ctx, spec{name: "cluster", tenants: 40, dsns: dsns, market: true, lagging: true, leases: s.Contention})
	if err != nil {
		return nil, errors.Join(err, stop())
	}
	d.closers = append(d.closers, stop)
	if _, err := d.startReplicas(ctx, nodes, func(i int) replicaOptions { return replicaOptions{database: i % len(dsns)} }); err != nil {
		return d, err
	}
	shopping, err := d.startTraffic(ctx, "shopper")
	if err != nil {
		return d, err
	}
	faults := []struct {
		figure string
		inject func(ctx context.Context, n *node, during func() error) error
	}{
		{"nodes killed", c.kill},
		{"nodes disconnected", c.disconnect},
		{"nodes frozen", c.freeze},
	}
	injected := 0
	err = d.injectUnderLoad(ctx, func() bool { return d.counted(nodeFaults) < s.ClusterFaults }, manySteps, func(ctx context.Context) error {
		fault, i := faults[injected%len(faults)], (injected+injected/len(faults))%nodes
		isolate(d, i, true)
		err := fault.inject(ctx, c.nodes[i], func() error { return c.awaitTakeover(ctx, d, i) })
		err = errors.Join(err, c.awaitSynced(ctx))
		isolate(d, i, false)
		if err != nil {
			return fmt.Errorf("%s: %w", fault.figure, err)
		}
		injected++
		d.count(fault.figure, 1)
		d.count(nodeFaults, 1)
		return nil
	})
	d.count("times that an operator had to repair the cluster", c.repairs)
	return d, errors.Join(err, shopping.end(), c.compareNodes(ctx, d))
}

// nodeFaults is the name under which all faults of nodes are counted.
const nodeFaults = "faults of nodes"

// compareNodes checks that all nodes have the same content, after each has applied what the others committed.
func (c *cluster) compareNodes(ctx context.Context, d *Deployment) error {
	var first string
	for i, n := range c.nodes {
		contents, err := c.contents(ctx, onDatabase(n.server.DSN(""), d.databaseName()))
		if err != nil {
			return fmt.Errorf("comparing the nodes: %w", err)
		}
		if i == 0 {
			first = contents
		} else if contents != first {
			return fmt.Errorf("node %d contains %q, node 0 contains %q", i, contents, first)
		}
	}
	return nil
}

// contents returns counts and checksums of a node's tables.
func (c *cluster) contents(ctx context.Context, dsn string) (contents string, err error) {
	pool, err := openPool(sqldb.MySQL, dsn)
	if err != nil {
		return "", err
	}
	defer pool.Close()
	own, err := pool.Conn(ctx)
	if err != nil {
		return "", err
	}
	defer own.Close()
	if _, err := own.ExecContext(ctx, c.replication.readCommitted()); err != nil {
		return "", err
	}
	err = own.QueryRowContext(ctx, "SELECT CONCAT_WS(' ', (SELECT COUNT(*) FROM events), (SELECT MAX(id) FROM chaos_changes), "+
		"(SELECT SUM(version) FROM grants), (SELECT MAX(issued_at) FROM grants), (SELECT SUM(CRC32(refresh_token)) FROM grants), "+
		"(SELECT SUM(version) FROM tenants), (SELECT SUM(version) FROM consents))").Scan(&contents)
	return contents, err
}
