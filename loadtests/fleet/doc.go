// Package fleet measures what many nodes cost: thousands of followers, in processes of their own, behind the control, the
// NATS and the PostgreSQL of a platform that runs as it ships. It says how long a purge takes until the last of them has
// applied it, what a follower takes of memory, processors and network, and how all that grows with their number.
//
// Start reading at Run. A process of followers is herd; what its followers say of purges is collected by sights.
package fleet
