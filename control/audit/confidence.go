package audit

import "math"

// confidence is how sure the bound is that a report gives.
const confidence = 0.95

// upper is the share of violations that is not exceeded with that confidence where k were found among n (the one-sided
// bound of Clopper and Pearson): the share for which as few as k would turn up one time in twenty. 1 for n = 0.
func upper(k, n int64) float64 {
	if n == 0 || k >= n {
		return 1
	}
	low, high := float64(k)/float64(n), 1.0
	for range 60 {
		if p := (low + high) / 2; atMost(k, n, p) > 1-confidence {
			low = p
		} else {
			high = p
		}
	}
	return high
}

// maxTerms is how many terms of a binomial distribution are added up; of more the normal one is close enough.
const maxTerms = 10_000

// atMost is how likely it is to find k or fewer among n, each with the probability p.
func atMost(k, n int64, p float64) float64 {
	if k > maxTerms {
		mean, deviation := float64(n)*p, math.Sqrt(float64(n)*p*(1-p))
		return math.Erfc((mean-float64(k)-0.5)/(deviation*math.Sqrt2)) / 2
	}
	lgamma := func(x int64) float64 { l, _ := math.Lgamma(float64(x)); return l }
	sum := 0.0
	for i := int64(0); i <= k; i++ {
		choose := lgamma(n+1) - lgamma(i+1) - lgamma(n-i+1)
		sum += math.Exp(choose + float64(i)*math.Log(p) + float64(n-i)*math.Log1p(-p))
	}
	return sum
}

// nines is how many there are in what is left of 1 without share: 3.5 for 0.0003.
func nines(share float64) float64 {
	if share <= 0 {
		return math.Inf(1)
	}
	return max(-math.Log10(share), 0)
}
