package chaos

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"azure-partner-connector/connector/store/storetest/dbserver"
)

// galeraLibrary is the path of Galera on Debian and its derivatives.
const galeraLibrary = "/usr/lib/galera/libgalera_smm.so"

// A cluster whose nodes have all lost each other may not form a majority again. An operator then bootstraps it from the
// node with the latest commit; the harness does so after pollsWithoutMajority polls.
const (
	withoutMajority      = "it is Initialized"
	pollsWithoutMajority = 1000
)

// galera is the replication of MariaDB. Every node accepts writes.
type galera struct {
	without int // consecutive polls that found no majority
}

func galeraFaults(ctx context.Context, e *Env, s Scale) (*Deployment, error) {
	return clusterFaults(ctx, e, s, &galera{})
}

func (g *galera) flavor() dbserver.Flavor { return dbserver.MariaDB{} }

func (g *galera) arguments(ports []int, i int) ([]string, error) {
	transfer, err := freePorts(2) // for full and for incremental state transfers
	if err != nil {
		return nil, err
	}
	own := addresses(ports[i : i+1])
	return []string{
		"--binlog_format=ROW", "--innodb_autoinc_lock_mode=2", "--wsrep_on=ON", "--wsrep_provider=" + galeraLibrary,
		"--wsrep_cluster_address=gcomm://" + addresses(ports), "--wsrep_cluster_name=chaos",
		"--wsrep_node_address=" + own, fmt.Sprintf("--wsrep_node_name=node%d", i),
		"--wsrep_sst_method=rsync", "--wsrep_sst_receive_address=" + addresses(transfer[:1]),
		fmt.Sprintf("--wsrep_provider_options=gmcast.listen_addr=tcp://%s;ist.recv_addr=%s;base_port=%d;gcache.size=64M",
			own, addresses(transfer[1:]), ports[i]),
	}, nil
}

func (g *galera) start(ctx context.Context, n *node, as role) error {
	if as == first {
		return n.run(ctx, "--wsrep-new-cluster")
	}
	return n.run(ctx)
}

func (g *galera) membership(ctx context.Context, pool *sql.DB) (string, error) {
	var view, size, state, ready string
	err := pool.QueryRowContext(ctx, "SELECT "+status("wsrep_cluster_conf_id")+", "+status("wsrep_cluster_size")+", "+
		status("wsrep_local_state_comment")+", "+status("wsrep_ready")).Scan(&view, &size, &state, &ready)
	if err != nil {
		return "", err
	}
	if state != "Synced" || ready != "ON" {
		return "it is " + state, nil
	}
	return fmt.Sprintf("view %s of %s synced", view, size), nil
}

func status(name string) string {
	return "(SELECT variable_value FROM information_schema.global_status WHERE variable_name = '" + name + "')"
}

// repair bootstraps the cluster from the node with the latest commit.
func (g *galera) repair(ctx context.Context, c *cluster, seen []string) (bool, error) {
	if !agree(seen) || seen[0] != withoutMajority {
		g.without = 0
		return false, nil
	}
	if g.without++; g.without < pollsWithoutMajority {
		return false, nil
	}
	g.without = 0
	var best *node
	most := -1
	for _, n := range c.nodes {
		err := n.ask(ctx, func(ctx context.Context, pool *sql.DB) error {
			var committed int
			err := pool.QueryRowContext(ctx, "SELECT "+status("wsrep_last_committed")).Scan(&committed)
			if err == nil && committed > most {
				best, most = n, committed
			}
			return err
		})
		if err != nil && ctx.Err() != nil {
			return false, err
		}
	}
	if best == nil {
		return false, errors.New("no node of the cluster responds")
	}
	return true, best.execute(ctx, setProvider("pc.bootstrap=1"))
}

func (g *galera) disconnect(ctx context.Context, n *node, during func() error) error {
	if err := n.execute(ctx, setProvider("gmcast.isolate=1")); err != nil {
		return fmt.Errorf("disconnecting a node: %w", err)
	}
	err := during()
	if endErr := n.execute(context.WithoutCancel(ctx), setProvider("gmcast.isolate=0")); endErr != nil {
		return errors.Join(err, fmt.Errorf("reconnecting a node: %w", endErr))
	}
	return err
}

func setProvider(option string) string { return "SET GLOBAL wsrep_provider_options = '" + option + "'" }

func (g *galera) readCommitted() string { return "SET SESSION wsrep_sync_wait = 1" }
