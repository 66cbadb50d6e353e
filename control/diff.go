package control

import "strings"

// maxDiffCells bounds the table of a comparison; texts that would need more are shown as replaced whole.
const maxDiffCells = 4 << 20

// diffLines lists the lines of two texts: "-" begins those that only a has, "+" those that only b has, a
// space those of both. It is empty when the texts are equal.
func diffLines(a, b string) string {
	if a == b {
		return ""
	}
	before, after := lines(a), lines(b)
	head := 0
	for head < min(len(before), len(after)) && before[head] == after[head] {
		head++
	}
	tail := 0
	for tail < min(len(before), len(after))-head && before[len(before)-1-tail] == after[len(after)-1-tail] {
		tail++
	}
	var out strings.Builder
	mark(&out, " ", before[:head])
	diffMiddle(&out, before[head:len(before)-tail], after[head:len(after)-tail])
	mark(&out, " ", before[len(before)-tail:])
	return out.String()
}

// diffMiddle writes the comparison of what begins and ends with different lines, by their longest common subsequence.
func diffMiddle(out *strings.Builder, a, b []string) {
	if len(a)*len(b) > maxDiffCells {
		mark(out, "-", a)
		mark(out, "+", b)
		return
	}
	width := len(b) + 1
	common := make([]int32, (len(a)+1)*width) // of a[i:] and b[j:], at i*width+j
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i*width+j] = common[(i+1)*width+j+1] + 1
			} else {
				common[i*width+j] = max(common[(i+1)*width+j], common[i*width+j+1])
			}
		}
	}
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		switch {
		case a[i] == b[j]:
			mark(out, " ", a[i:i+1])
			i, j = i+1, j+1
		case common[(i+1)*width+j] >= common[i*width+j+1]:
			mark(out, "-", a[i:i+1])
			i++
		default:
			mark(out, "+", b[j:j+1])
			j++
		}
	}
	mark(out, "-", a[i:])
	mark(out, "+", b[j:])
}

func mark(out *strings.Builder, with string, list []string) {
	for _, line := range list {
		out.WriteString(with + line + "\n")
	}
}

func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}
