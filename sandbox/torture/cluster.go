package torture

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"

	"azure-partner-connector/connector/clock"
	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/store/storetest/mariadb"
)

// nodes are in the cluster. One less is still the majority.
const nodes = 3

// library is where Debian and its kin keep Galera.
const library = "/usr/lib/galera/libgalera_smm.so"

// A node is one server of a cluster.
type node struct {
	server    *mariadb.Server
	arguments []string
}

// A cluster is three MariaDB servers that Galera keeps equal (mariadb.md).
type cluster struct {
	nodes     []*node
	looks     []*sql.DB // closed in the end
	elections int
}

// startCluster starts a new cluster and returns when all its nodes are in step.
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
	others, err := freePorts(2) // for copying all, and for copying what was missed
	if err != nil {
		return err
	}
	addresses := make([]string, len(group))
	for j, port := range group {
		addresses[j] = fmt.Sprintf("127.0.0.1:%d", port)
	}
	server, err := mariadb.Prepare(ctx, mariadb.Config{Durable: true})
	if err != nil {
		return err
	}
	n := &node{server: server, arguments: []string{
		"--binlog_format=ROW", "--innodb_autoinc_lock_mode=2", "--wsrep_on=ON", "--wsrep_provider=" + library,
		"--wsrep_cluster_address=gcomm://" + strings.Join(addresses, ","), "--wsrep_cluster_name=torture",
		"--wsrep_node_address=" + addresses[i], fmt.Sprintf("--wsrep_node_name=node%d", i),
		"--wsrep_sst_method=rsync", fmt.Sprintf("--wsrep_sst_receive_address=127.0.0.1:%d", others[0]),
		fmt.Sprintf("--wsrep_provider_options=gmcast.listen_addr=tcp://%s;ist.recv_addr=127.0.0.1:%d;base_port=%d;gcache.size=64M",
			addresses[i], others[1], group[i]),
	}}
	c.nodes = append(c.nodes, n)
	if i == 0 {
		err = n.run(ctx, "--wsrep-new-cluster")
	} else {
		err = n.run(ctx)
	}
	return errors.Join(err, c.awaitStep(ctx))
}

func (n *node) run(ctx context.Context, more ...string) error {
	return n.server.Run(ctx, append(slices.Clone(n.arguments), more...)...)
}

// restarts is how often a node that was killed is started until it stays up: meanwhile a connection of somebody else may
// have been given one of its ports.
const restarts = 5

func (n *node) killAndRestart(ctx context.Context) error {
	for try := 1; ; try++ {
		err := errors.Join(n.server.Kill(), n.run(ctx))
		if err == nil || try == restarts || ctx.Err() != nil {
			return err
		}
		_ = clock.Sleep(ctx, breath)
	}
}

// freePorts returns ports that nobody listens on, different ones.
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

// lookWithin bounds one look at a node, which may be frozen.
const lookWithin = 2 * time.Second

// awaitStep waits until all nodes serve and agree that all of them are members. One that was cut off or frozen does not
// know yet, when it comes back, that the others have given it up: what it says alone proves nothing.
func (c *cluster) awaitStep(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	ticker := time.NewTicker(4 * lookAgain)
	defer ticker.Stop()
	headless := time.Now()
	for {
		var seen []string
		for _, n := range c.nodes {
			seen = append(seen, n.membership(ctx))
		}
		distinct := slices.Compact(slices.Clone(seen))
		if len(distinct) == 1 && strings.HasSuffix(distinct[0], fmt.Sprintf(" of %d in step", len(c.nodes))) {
			return nil
		}
		if len(distinct) != 1 || distinct[0] != withoutMajority {
			headless = time.Now()
		} else if time.Since(headless) > headlessFor {
			if err := c.elect(ctx); err != nil {
				return err
			}
			headless = time.Now()
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting for the nodes, which say %q: %w", seen, ctx.Err())
		}
	}
}

// A cluster whose nodes all lost sight of each other may not find its majority again. Its operator then tells the node
// that has seen most to be it.
const (
	withoutMajority = "it is Initialized"
	headlessFor     = 30 * time.Second
)

func (c *cluster) elect(ctx context.Context) error {
	var best *sql.DB
	most := -1
	for _, n := range c.nodes {
		look, err := pool(sqldb.MySQL, n.server.DSN(""))
		if err != nil {
			return err
		}
		c.looks = append(c.looks, look)
		var seen int
		if err := look.QueryRowContext(ctx, "SELECT "+status("wsrep_last_committed")).Scan(&seen); err == nil && seen > most {
			best, most = look, seen
		}
	}
	if best == nil {
		return errors.New("no node of the cluster answers")
	}
	if _, err := best.ExecContext(ctx, "SET GLOBAL wsrep_provider_options = 'pc.bootstrap=1'"); err != nil {
		return fmt.Errorf("electing a node: %w", err)
	}
	c.elections++
	return nil
}

// membership tells what a node thinks of the cluster.
func (n *node) membership(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	look, err := pool(sqldb.MySQL, n.server.DSN(""))
	if err != nil {
		return err.Error()
	}
	defer look.Close()
	var view, size, state, ready string
	err = look.QueryRowContext(ctx, "SELECT "+status("wsrep_cluster_conf_id")+", "+status("wsrep_cluster_size")+", "+
		status("wsrep_local_state_comment")+", "+status("wsrep_ready")).Scan(&view, &size, &state, &ready)
	switch {
	case err != nil:
		return err.Error()
	case state != "Synced" || ready != "ON":
		return "it is " + state
	}
	return fmt.Sprintf("view %s of %s in step", view, size)
}

func status(name string) string {
	return "(SELECT variable_value FROM information_schema.global_status WHERE variable_name = '" + name + "')"
}

func (c *cluster) stop() error {
	var errs []error
	for _, look := range c.looks {
		errs = append(errs, look.Close())
	}
	for i := len(c.nodes) - 1; i >= 0; i-- {
		errs = append(errs, c.nodes[i].server.Stop())
	}
	return errors.Join(errs...)
}

// isolation is how long a node is kept from the others: long enough to be given up by them, which takes Galera 5 seconds.
const isolation = 8 * time.Second

// cut keeps the node from the others, and lets it come back. Its clients still reach it, and find it without a majority.
func (n *node) cut(ctx context.Context) error {
	look, err := pool(sqldb.MySQL, n.server.DSN(""))
	if err != nil {
		return err
	}
	defer look.Close()
	if _, err := look.ExecContext(ctx, "SET GLOBAL wsrep_provider_options = 'gmcast.isolate=1'"); err != nil {
		return fmt.Errorf("cutting a node off: %w", err)
	}
	_ = clock.Sleep(ctx, isolation)
	if _, err := look.ExecContext(context.WithoutCancel(ctx), "SET GLOBAL wsrep_provider_options = 'gmcast.isolate=0'"); err != nil {
		return fmt.Errorf("letting a node come back: %w", err)
	}
	return nil
}

// freeze stops the node's process, so that its clients hang on it, and lets it go on.
func (n *node) freeze(ctx context.Context) error {
	if err := n.server.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	_ = clock.Sleep(ctx, isolation)
	return n.server.Signal(syscall.SIGCONT)
}

// clusterTormented spreads replicas over the nodes of a cluster, and kills, cuts off and freezes node after node while
// they renew.
func clusterTormented(ctx context.Context, g *Ground, s Scale) (*Rig, error) {
	c, err := startCluster(ctx)
	if err != nil {
		return nil, err
	}
	dsns := make([]string, nodes)
	for i, n := range c.nodes {
		dsns[i] = n.server.DSN("")
	}
	r, err := g.newRig(ctx, layout{name: "cluster", tenants: 40, dsns: dsns})
	if err != nil {
		return nil, errors.Join(err, c.stop())
	}
	r.closing = append(r.closing, c.stop)
	if _, err := r.seat(ctx, nodes, func(seat int) wish { return wish{database: seat} }); err != nil {
		return r, err
	}
	blows := []struct {
		what   string
		strike func(context.Context, *node) error
	}{
		{"nodes killed", func(ctx context.Context, n *node) error { return n.killAndRestart(ctx) }},
		{"nodes cut off", func(ctx context.Context, n *node) error { return n.cut(ctx) }},
		{"nodes frozen", func(ctx context.Context, n *node) error { return n.freeze(ctx) }},
	}
	struck := 0
	err = r.whileRenewing(ctx, func(int) bool { return r.counted("blows") < s.ClusterBlows }, breath, func(ctx context.Context) error {
		blow, n := blows[struck%len(blows)], c.nodes[(struck+struck/len(blows))%nodes]
		if err := blow.strike(ctx, n); err != nil {
			return fmt.Errorf("%s: %w", blow.what, err)
		}
		if err := c.awaitStep(ctx); err != nil {
			return fmt.Errorf("%s: %w", blow.what, err)
		}
		struck++
		r.count(blow.what, 1)
		r.count("blows", 1)
		return nil
	})
	r.count("majorities restored by hand", c.elections)
	return r, errors.Join(err, r.sameEverywhere(ctx))
}

// sameEverywhere checks that all nodes hold the same, each when it has applied what the others committed.
func (r *Rig) sameEverywhere(ctx context.Context) error {
	var first string
	for i, dsn := range r.layout.dsns {
		held, err := heldBy(ctx, dsn)
		if err != nil {
			return fmt.Errorf("comparing the nodes: %w", err)
		}
		if i == 0 {
			first = held
		} else if held != first {
			return fmt.Errorf("node %d holds %q where node 0 holds %q", i, held, first)
		}
	}
	return nil
}

// heldBy returns what tells the contents of a node from another's.
func heldBy(ctx context.Context, dsn string) (held string, err error) {
	look, err := pool(sqldb.MySQL, dsn)
	if err != nil {
		return "", err
	}
	defer look.Close()
	own, err := look.Conn(ctx)
	if err != nil {
		return "", err
	}
	defer own.Close()
	if _, err := own.ExecContext(ctx, "SET SESSION wsrep_sync_wait = 1"); err != nil {
		return "", err
	}
	err = own.QueryRowContext(ctx, "SELECT CONCAT_WS(' ', (SELECT COUNT(*) FROM events), (SELECT MAX(id) FROM torture_changes), "+
		"(SELECT SUM(version) FROM grants), (SELECT MAX(issued_at) FROM grants), (SELECT SUM(CRC32(refresh_token)) FROM grants))").Scan(&held)
	return held, err
}
