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

// nodes is the size of the cluster. With one node less, the others are still a majority.
const nodes = 3

// galeraLibrary is the path of Galera on Debian and its derivatives.
const galeraLibrary = "/usr/lib/galera/libgalera_smm.so"

// A node is one server of a cluster.
type node struct {
	server    *dbserver.Server
	arguments []string
}

// A cluster is three MariaDB servers that Galera replicates.
type cluster struct {
	nodes     []*node
	pools     []*sql.DB // closed by stop
	elections int
}

// startCluster starts a new cluster and returns when all nodes are synced.
func startCluster(ctx context.Context) (*cluster, error) {
	c := &cluster{}
	group, err := freePorts(nodes)
	if err != nil {
		return nil, err
	}
	for i := range nodes {
		if err := c.add(ctx, group, i); err != nil {
			return nil, errors.Join(fmt.Errorf("starting node %d: %w", i, err), c.stop())
		}
	}
	return c, nil
}

func (c *cluster) add(ctx context.Context, group []int, i int) error {
	transfer, err := freePorts(2) // for full and for incremental state transfers
	if err != nil {
		return err
	}
	addresses := make([]string, len(group))
	for j, port := range group {
		addresses[j] = fmt.Sprintf("127.0.0.1:%d", port)
	}
	server, err := dbserver.Prepare(ctx, dbserver.Config{Durable: true})
	if err != nil {
		return err
	}
	n := &node{server: server, arguments: []string{
		"--binlog_format=ROW", "--innodb_autoinc_lock_mode=2", "--wsrep_on=ON", "--wsrep_provider=" + galeraLibrary,
		"--wsrep_cluster_address=gcomm://" + strings.Join(addresses, ","), "--wsrep_cluster_name=chaos",
		"--wsrep_node_address=" + addresses[i], fmt.Sprintf("--wsrep_node_name=node%d", i),
		"--wsrep_sst_method=rsync", fmt.Sprintf("--wsrep_sst_receive_address=127.0.0.1:%d", transfer[0]),
		fmt.Sprintf("--wsrep_provider_options=gmcast.listen_addr=tcp://%s;ist.recv_addr=127.0.0.1:%d;base_port=%d;gcache.size=64M",
			addresses[i], transfer[1], group[i]),
	}}
	c.nodes = append(c.nodes, n)
	if i == 0 {
		err = n.run(ctx, "--wsrep-new-cluster")
	} else {
		err = n.run(ctx)
	}
	return errors.Join(err, c.awaitSynced(ctx))
}

func (n *node) run(ctx context.Context, more ...string) error {
	return n.server.Run(ctx, append(slices.Clone(n.arguments), more...)...)
}

// restarts is how often killAndRestart tries to start a node: another connection may have taken one of its ports meanwhile.
const restarts = 5

// killAndRestart kills the node and starts it again. It does not use during.
func (n *node) killAndRestart(ctx context.Context, _ func() error) error {
	for try := 1; ; try++ {
		err := errors.Join(n.server.Kill(), n.run(ctx))
		if err == nil || try == restarts || ctx.Err() != nil {
			return err
		}
	}
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

// awaitSynced waits until all nodes serve and agree that all of them are members. A node that was isolated or frozen does
// not know at first that the others have dropped it, so its own answer is not enough.
func (c *cluster) awaitSynced(ctx context.Context) error {
	var seen []string
	without := 0 // consecutive polls that found no majority
	err := await(ctx, "the nodes", func(ctx context.Context) (bool, error) {
		seen = seen[:0]
		for _, n := range c.nodes {
			seen = append(seen, n.membership(ctx))
		}
		distinct := slices.Compact(slices.Clone(seen))
		if len(distinct) == 1 && strings.HasSuffix(distinct[0], membersSynced(strconv.Itoa(len(c.nodes)))) {
			return true, nil
		}
		if len(distinct) != 1 || distinct[0] != withoutMajority {
			without = 0
		} else if without++; without == pollsWithoutMajority {
			without = 0
			return false, c.elect(ctx)
		}
		return false, nil
	})
	if err != nil {
		return fmt.Errorf("the nodes report %q: %w", seen, err)
	}
	return nil
}

// A cluster whose nodes have all lost each other may not form a majority again. An operator then bootstraps it from the
// node with the latest commit; the harness does so after pollsWithoutMajority polls.
const (
	withoutMajority      = "it is Initialized"
	pollsWithoutMajority = 1000
)

// elect bootstraps the cluster from the node with the latest commit.
func (c *cluster) elect(ctx context.Context) error {
	var best *sql.DB
	most := -1
	for _, n := range c.nodes {
		pool, err := openPool(sqldb.MySQL, n.server.DSN(""))
		if err != nil {
			return err
		}
		c.pools = append(c.pools, pool)
		var seen int
		if err := pool.QueryRowContext(ctx, "SELECT "+status("wsrep_last_committed")).Scan(&seen); err == nil && seen > most {
			best, most = pool, seen
		}
	}
	if best == nil {
		return errors.New("no node of the cluster responds")
	}
	if _, err := best.ExecContext(ctx, "SET GLOBAL wsrep_provider_options = 'pc.bootstrap=1'"); err != nil {
		return fmt.Errorf("electing a node: %w", err)
	}
	c.elections++
	return nil
}

// membership describes the cluster as a node sees it.
func (n *node) membership(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, queryLimit)
	defer cancel()
	pool, err := openPool(sqldb.MySQL, n.server.DSN(""))
	if err != nil {
		return err.Error()
	}
	defer pool.Close()
	var view, size, state, ready string
	err = pool.QueryRowContext(ctx, "SELECT "+status("wsrep_cluster_conf_id")+", "+status("wsrep_cluster_size")+", "+
		status("wsrep_local_state_comment")+", "+status("wsrep_ready")).Scan(&view, &size, &state, &ready)
	switch {
	case err != nil:
		return err.Error()
	case state != "Synced" || ready != "ON":
		return "it is " + state
	}
	return fmt.Sprintf("view %s%s", view, membersSynced(size))
}

func status(name string) string {
	return "(SELECT variable_value FROM information_schema.global_status WHERE variable_name = '" + name + "')"
}

func membersSynced(size string) string { return " of " + size + " synced" }

func (c *cluster) stop() error {
	var errs []error
	for _, pool := range c.pools {
		errs = append(errs, pool.Close())
	}
	for i := len(c.nodes) - 1; i >= 0; i-- {
		errs = append(errs, c.nodes[i].server.Stop())
	}
	return errors.Join(errs...)
}

// disconnect isolates the node from the others while during runs. Its clients still reach it, but it has no majority.
func (n *node) disconnect(ctx context.Context, during func() error) error {
	pool, err := openPool(sqldb.MySQL, n.server.DSN(""))
	if err != nil {
		return err
	}
	defer pool.Close()
	if _, err := pool.ExecContext(ctx, "SET GLOBAL wsrep_provider_options = 'gmcast.isolate=1'"); err != nil {
		return fmt.Errorf("disconnecting a node: %w", err)
	}
	err = during()
	if _, endErr := pool.ExecContext(context.WithoutCancel(ctx), "SET GLOBAL wsrep_provider_options = 'gmcast.isolate=0'"); endErr != nil {
		return errors.Join(err, fmt.Errorf("reconnecting a node: %w", endErr))
	}
	return err
}

// freeze stops the node's process while during runs, so that its clients hang.
func (n *node) freeze(_ context.Context, during func() error) error {
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
		synced := 0
		for i, n := range c.nodes {
			if i == dropped {
				continue
			}
			switch seen := n.membership(ctx); {
			case seen == withoutMajority:
				return true, nil
			case strings.HasSuffix(seen, membersSynced(strconv.Itoa(nodes-1))):
				synced++
			}
		}
		if since < 0 && synced == nodes-1 {
			since = d.periodsStarted()
		}
		return since >= 0 && d.periodsStarted() > since, nil
	})
}

// clusterFaults spreads replicas over the nodes of a cluster, and kills, disconnects and freezes one node after the other
// while they renew.
func clusterFaults(ctx context.Context, e *Env, s Scale) (*Deployment, error) {
	c, err := startCluster(ctx)
	if err != nil {
		return nil, err
	}
	dsns := make([]string, nodes)
	for i, n := range c.nodes {
		dsns[i] = n.server.DSN("")
	}
	d, err := e.deploy(ctx, spec{name: "cluster", tenants: 40, dsns: dsns})
	if err != nil {
		return nil, errors.Join(err, c.stop())
	}
	d.closers = append(d.closers, c.stop)
	if _, err := d.startReplicas(ctx, nodes, func(i int) replicaOptions { return replicaOptions{database: i} }); err != nil {
		return d, err
	}
	faults := []struct {
		figure string
		inject func(n *node, ctx context.Context, during func() error) error
	}{
		{"nodes killed", (*node).killAndRestart},
		{"nodes disconnected", (*node).disconnect},
		{"nodes frozen", (*node).freeze},
	}
	injected := 0
	err = d.injectUnderLoad(ctx, func() bool { return d.counted(nodeFaults) < s.ClusterFaults }, manySteps, func(ctx context.Context) error {
		fault, i := faults[injected%len(faults)], (injected+injected/len(faults))%nodes
		d.setIsolated(i, true)
		err := fault.inject(c.nodes[i], ctx, func() error { return c.awaitTakeover(ctx, d, i) })
		err = errors.Join(err, c.awaitSynced(ctx))
		d.setIsolated(i, false)
		if err != nil {
			return fmt.Errorf("%s: %w", fault.figure, err)
		}
		injected++
		d.count(fault.figure, 1)
		d.count(nodeFaults, 1)
		return nil
	})
	d.count("clusters bootstrapped by the operator", c.elections)
	return d, errors.Join(err, d.compareNodes(ctx))
}

// nodeFaults is the name under which all faults of nodes are counted.
const nodeFaults = "faults of nodes"

// compareNodes checks that all nodes have the same content, after each has applied what the others committed.
func (d *Deployment) compareNodes(ctx context.Context) error {
	var first string
	for i, dsn := range d.spec.dsns {
		contents, err := nodeContents(ctx, dsn)
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

// nodeContents returns counts and checksums of a node's tables.
func nodeContents(ctx context.Context, dsn string) (contents string, err error) {
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
	if _, err := own.ExecContext(ctx, "SET SESSION wsrep_sync_wait = 1"); err != nil {
		return "", err
	}
	err = own.QueryRowContext(ctx, "SELECT CONCAT_WS(' ', (SELECT COUNT(*) FROM events), (SELECT MAX(id) FROM chaos_changes), "+
		"(SELECT SUM(version) FROM grants), (SELECT MAX(issued_at) FROM grants), (SELECT SUM(CRC32(refresh_token)) FROM grants))").Scan(&contents)
	return contents, err
}
