package invalidation

// OnStep calls f in the writer's goroutine wherever readers could see the index between two stores whose order
// matters.
func (x *Index) OnStep(f func()) { x.table.Load().stepped = f }
