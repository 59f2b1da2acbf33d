package chaos

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"azure-partner-connector/connector/store/storetest/dbserver"
)

// groupName is the UUID of the group. It only has to be the same for all nodes.
const groupName = "70b70000-0000-4000-8000-000000000003"

// pollsOutside is after how many polls the operator lets a node that is outside the group join it again.
const pollsOutside = 100

// applierBacklog is how many transactions a member may be behind before the others slow down. With the default of 25,000, a
// member that joins again never catches up with writers that do not pause, and stays RECOVERING.
const applierBacklog = "250"

// groupReplication is the replication of MySQL. See docs/reference/databases.md §2.
type groupReplication struct {
	multiPrimary bool
	outside      map[int]int // node → consecutive polls that found it outside the group
}

// multiPrimaryFaults runs replicas on the members of a group that all accept writes.
func multiPrimaryFaults(ctx context.Context, e *Env, s Scale) (*Deployment, error) {
	s.ClusterFaults = s.GroupFaults
	return clusterFaults(ctx, e, s, &groupReplication{multiPrimary: true, outside: map[int]int{}})
}

// singlePrimaryFaults runs replicas behind a router that follows the member that accepts writes.
func singlePrimaryFaults(ctx context.Context, e *Env, s Scale) (*Deployment, error) {
	s.ClusterFaults = s.GroupFaults
	g := &groupReplication{outside: map[int]int{}}
	c, err := startCluster(ctx, g)
	if err != nil {
		return nil, err
	}
	r, err := startRouter(func(ctx context.Context) (string, error) { return g.primary(ctx, c) })
	if err != nil {
		return nil, errors.Join(err, c.stop())
	}
	stop := func() error { return errors.Join(r.close(), c.stop()) }
	d, err := e.onCluster(ctx, s, c, []string{r.dsn()}, func(*Deployment, int, bool) {}, stop)
	if d != nil {
		d.count("new primaries", r.changes())
	}
	return d, err
}

func (g *groupReplication) flavor() dbserver.Flavor { return dbserver.MySQL{} }

func (g *groupReplication) arguments(ports []int, i int) ([]string, error) {
	arguments := []string{
		"--server-id=" + strconv.Itoa(i+1), "--log-bin=binlog", "--gtid-mode=ON", "--enforce-gtid-consistency=ON", "--performance-schema=ON",
		"--report-host=127.0.0.1", "--plugin-load-add=group_replication.so",
		"--loose-group-replication-group-name=" + groupName, "--loose-group-replication-ip-allowlist=127.0.0.1/8",
		"--loose-group-replication-local-address=" + addresses(ports[i:i+1]), "--loose-group-replication-group-seeds=" + addresses(ports),
		"--loose-group-replication-flow-control-applier-threshold=" + applierBacklog,
		"--loose-group-replication-flow-control-certifier-threshold=" + applierBacklog,
		// What a killed process has written, the system still writes to the disk.
		"--sync-binlog=0", "--innodb-flush-log-at-trx-commit=2",
	}
	if g.multiPrimary {
		arguments = append(arguments, "--loose-group-replication-single-primary-mode=OFF", "--loose-group-replication-enforce-update-everywhere-checks=ON")
	}
	return arguments, nil
}

// start implements replication. A node that was killed joins the group again on its own.
func (g *groupReplication) start(ctx context.Context, n *node, as role) error {
	if as == restarted {
		return n.run(ctx, "--loose-group-replication-start-on-boot=ON")
	}
	if err := n.run(ctx, "--loose-group-replication-start-on-boot=OFF"); err != nil {
		return err
	}
	// The administrator exists on every node already, so that no node needs another's transactions to log in to it.
	statements := []string{"CHANGE REPLICATION SOURCE TO SOURCE_USER='root' FOR CHANNEL 'group_replication_recovery'", "START GROUP_REPLICATION"}
	if as == first {
		statements = []string{
			statements[0], "SET GLOBAL group_replication_bootstrap_group = ON", statements[1], "SET GLOBAL group_replication_bootstrap_group = OFF",
		}
	}
	return n.execute(ctx, statements...)
}

// A view is the group as one of its members sees it.
type view struct {
	id        string
	state     string // of the member itself
	members   int    // also those that it cannot reach
	online    int    // members that serve
	primaries string // their ports
	readOnly  bool   // the member itself
}

func readView(ctx context.Context, pool *sql.DB) (v view, err error) {
	err = pool.QueryRowContext(ctx, "SELECT COALESCE(MAX(s.view_id), ''), COALESCE(MAX(IF(m.member_id = @@server_uuid, m.member_state, NULL)), 'OFFLINE'), "+
		"COUNT(*), SUM(m.member_state = 'ONLINE'), COALESCE(GROUP_CONCAT(IF(m.member_role = 'PRIMARY', m.member_port, NULL) ORDER BY m.member_port), ''), @@super_read_only "+
		"FROM performance_schema.replication_group_members m LEFT JOIN performance_schema.replication_group_member_stats s ON s.member_id = m.member_id").
		Scan(&v.id, &v.state, &v.members, &v.online, &v.primaries, &v.readOnly)
	return v, err
}

func (g *groupReplication) membership(ctx context.Context, pool *sql.DB) (string, error) {
	v, err := readView(ctx, pool)
	switch {
	case err != nil:
		return "", err
	case v.state != "ONLINE" || g.multiPrimary && v.readOnly || v.primaries == "":
		return outsideGroup(v.state), nil
	}
	if v.online < v.members {
		return fmt.Sprintf("view %s with %d members of %d", v.id, v.online, v.members), nil
	}
	return fmt.Sprintf("view %s with the primary %s%s", v.id, v.primaries, membersSynced(v.online)), nil
}

func outsideGroup(state string) string { return "it is " + state }

// repair lets nodes that have left the group, or could not join it, join it again.
func (g *groupReplication) repair(ctx context.Context, c *cluster, seen []string) (bool, error) {
	repaired := false
	for i, reported := range seen {
		if reported != outsideGroup("OFFLINE") && reported != outsideGroup("ERROR") {
			g.outside[i] = 0
			continue
		}
		if g.outside[i]++; g.outside[i] < pollsOutside {
			continue
		}
		g.outside[i] = 0
		repaired = true
		err := c.nodes[i].execute(ctx, "STOP GROUP_REPLICATION", "START GROUP_REPLICATION")
		if err != nil && ctx.Err() != nil {
			return false, err
		}
		// A node that cannot join yet is asked again: the others may not have noticed that it was gone.
	}
	return repaired, nil
}

// disconnect stops the thread by which a member talks to the others.
func (g *groupReplication) disconnect(ctx context.Context, n *node, during func() error) error {
	var thread int
	err := n.ask(ctx, func(ctx context.Context, pool *sql.DB) error {
		return pool.QueryRowContext(ctx, "SELECT thread_os_id FROM performance_schema.threads WHERE name = 'thread/group_rpl/THD_Gcs_xcom_control::m_xcom_thread'").Scan(&thread)
	})
	if err != nil {
		return fmt.Errorf("looking for the thread of the group: %w", err)
	}
	resume, err := stopThread(thread)
	if err != nil {
		return fmt.Errorf("disconnecting a node: %w", err)
	}
	return errors.Join(during(), resume())
}

func (g *groupReplication) readCommitted() string {
	return "SET SESSION group_replication_consistency = 'BEFORE'"
}

// primary returns the address of the member that accepts writes: as the members with a majority say, and of these the one
// with the latest view, because a member that was cut off knows of no later one. It is empty while there is none.
func (g *groupReplication) primary(ctx context.Context, c *cluster) (string, error) {
	var latest int
	var address string
	for _, n := range c.nodes {
		_ = n.ask(ctx, func(ctx context.Context, pool *sql.DB) error { // a member that does not answer knows nothing
			v, err := readView(ctx, pool)
			if err != nil || v.online <= nodes/2 {
				return err
			}
			_, number, _ := strings.Cut(v.id, ":")
			if at, err := strconv.Atoi(number); err == nil && at > latest && v.primaries != "" {
				latest, address = at, "127.0.0.1:"+v.primaries
			}
			return nil
		})
	}
	return address, ctx.Err()
}
