package fleet

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
)

// Report is what was measured.
type Report struct {
	Slower int // how many times less often than a real node the followers renewed
	Fleets []Measured
}

// String is tables: how long purges took, and what a fleet costs.
func (r Report) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "FOLLOWERS\tLAST APPLIED, P50\tP99\tMAX\tHALF HAVE, P50\tFETCHED\tLOAD")
	for _, m := range r.Fleets {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%d\t%s\n", m.Followers, ms(m.LastP50), ms(m.LastP99), ms(m.LastMax), ms(m.HalfP50), m.Fetches, m.Load)
	}
	fmt.Fprintln(w, "\t\t\t\t\t\t\nFOLLOWERS\tMEMORY, KiB A FOLLOWER\tOF NATS\tOF CONTROL\tIDLE, BYTES A SECOND\tA PURGE, BYTES\t")
	for _, m := range r.Fleets {
		fmt.Fprintf(w, "%d\t%.0f\t%.0f\t%.1f\t%.0f sent, %.0f received\t%.0f sent, %.0f received\t\n", m.Followers,
			m.FollowerBytes/1024, m.NATSBytes/1024, m.ControlBytes/1024, m.Idle.Sent, m.Idle.Received, m.Purge.Sent, m.Purge.Received)
	}
	fmt.Fprintln(w, "\t\t\t\t\t\t\nFOLLOWERS\tIDLE CPU, MS A SECOND: CONTROL\tNATS\tPOSTGRESQL\tWHILE PURGED: CONTROL\tNATS\tPOSTGRESQL")
	for _, m := range r.Fleets {
		fmt.Fprintf(w, "%d\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\n", m.Followers, inMS(m.IdleCPU.Control), inMS(m.IdleCPU.NATS), inMS(m.IdleCPU.PostgreSQL),
			inMS(m.BusyCPU.Control), inMS(m.BusyCPU.NATS), inMS(m.BusyCPU.PostgreSQL))
	}
	_ = w.Flush() // a strings.Builder takes all
	return b.String()
}

// CSV is a line for each size, times in milliseconds, sizes in bytes.
func (r Report) CSV() string {
	var b strings.Builder
	b.WriteString("followers,last_p50_ms,last_p99_ms,last_max_ms,half_p50_ms,follower_bytes,nats_bytes,control_bytes,idle_sent,idle_received,purge_sent,purge_received," +
		"idle_cpu_control_ms,idle_cpu_nats_ms,idle_cpu_postgresql_ms,busy_cpu_control_ms,busy_cpu_nats_ms,busy_cpu_postgresql_ms,fetches,load\n")
	for _, m := range r.Fleets {
		fmt.Fprintf(&b, "%d,%.1f,%.1f,%.1f,%.1f,%.0f,%.0f,%.0f,%.0f,%.0f,%.0f,%.0f,%.1f,%.1f,%.1f,%.2f,%.2f,%.2f,%d,%s\n", m.Followers,
			inMS(m.LastP50), inMS(m.LastP99), inMS(m.LastMax), inMS(m.HalfP50), m.FollowerBytes, m.NATSBytes, m.ControlBytes,
			m.Idle.Sent, m.Idle.Received, m.Purge.Sent, m.Purge.Received,
			inMS(m.IdleCPU.Control), inMS(m.IdleCPU.NATS), inMS(m.IdleCPU.PostgreSQL), inMS(m.BusyCPU.Control), inMS(m.BusyCPU.NATS), inMS(m.BusyCPU.PostgreSQL), m.Fetches, m.Load)
	}
	return b.String()
}

func inMS(d time.Duration) float64 { return d.Seconds() * 1000 }

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", inMS(d)) }
