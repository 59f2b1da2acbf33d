package bench

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strconv"
)

// profilesVariable is the environment variable that names the folder for profiles to a subprocess.
const profilesVariable = "BENCH_PROFILES"

// profiled calls serve. If folder is not empty, it gets two profiles of that for `go tool pprof`, named after the process: of its
// processor time, and of what it allocated.
func profiled(folder string, serve func() error) (err error) {
	if folder == "" {
		return serve()
	}
	name := filepath.Join(folder, strconv.Itoa(os.Getpid()))
	processor, err := os.Create(name + ".cpu.pprof")
	if err != nil {
		return fmt.Errorf("creating a profile: %w", err)
	}
	defer func() { err = errors.Join(err, processor.Close()) }()
	if err := pprof.StartCPUProfile(processor); err != nil {
		return fmt.Errorf("profiling: %w", err)
	}
	err = serve()
	pprof.StopCPUProfile()
	return errors.Join(err, allocated(name+".allocs.pprof"))
}

func allocated(name string) error {
	file, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("creating a profile: %w", err)
	}
	return errors.Join(pprof.Lookup("allocs").WriteTo(file, 0), file.Close())
}
