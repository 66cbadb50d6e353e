package endtoend

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// Pages of the shop, by what they show.
const (
	homePage    = "/"
	shoesPage   = "/categories/1"
	bagsPage    = "/categories/2"
	hatsPage    = "/categories/3"
	giftsPage   = "/categories/4" // empty at first
	searchPage  = "/search"
	hatPage     = "/products/4"
	sackPage    = "/products/7" // in bags, and new
	bagPage     = "/products/8" // in bags, not new
	comingPage  = "/products/10"
	nowherePage = "/nowhere" // shows the names of the categories alone
)

func shopPages() []string {
	return []string{homePage, shoesPage, bagsPage, hatsPage, giftsPage, searchPage, hatPage, sackPage, bagPage, comingPage, nowherePage}
}

// TestShop runs the example of docs. Each change is made by psql; the first reply of each edge that is as of the
// change's epoch must have it, on every page that shows it, and no other page may be renewed.
func TestShop(t *testing.T) {
	wholeRun(t)
	s := openExample(t)
	t.Run("Changes", s.testChanges)
	t.Run("Rollback", s.testRollback)
	t.Run("FillInFlight", s.testFillInFlight)
	t.Run("Basket", s.testBasket)
	t.Run("Truncate", s.testTruncate)
	t.Run("ShopCloses", s.testShopCloses)
}

func (s *example) testChanges(t *testing.T) {
	if before := s.warm(t, shopPages()); !strings.Contains(before[sackPage], "89.00 EUR") || strings.Contains(before[homePage], "Canvas bag") {
		t.Fatalf("the shop is not what this test knows:\n%s\n%s", before[sackPage], before[homePage])
	}
	newInBags := []string{homePage, bagsPage, comingPage, searchPage}
	for _, c := range []struct {
		name, statements string
		renewed          []string
		shows            map[string]string
	}{
		{"Price", "UPDATE products SET price = 79 WHERE id = 7",
			[]string{homePage, bagsPage, sackPage, searchPage}, map[string]string{homePage: "79.00 EUR", bagsPage: "79.00 EUR", sackPage: "79.00 EUR"}},
		{"PriceOfWhatIsNotNew", "UPDATE products SET price = 15 WHERE id = 8",
			[]string{bagsPage, bagPage, searchPage}, map[string]string{bagPage: "15.00 EUR"}},
		{"Sale", "UPDATE stock SET pieces = pieces - 12 WHERE product_id = 8",
			[]string{bagPage}, map[string]string{bagPage: "sold out"}},
		{"Move", "UPDATE products SET category_id = 4, price = 20 WHERE id = 4",
			[]string{hatsPage, giftsPage, hatPage, searchPage}, map[string]string{giftsPage: "Straw hat", hatPage: "Gift cards</a>."}},
		{"Insert", "INSERT INTO products (category_id, name, price) VALUES (2, 'Tote', 9)",
			newInBags, map[string]string{homePage: "Tote", bagsPage: "Tote", comingPage: "9.00 EUR"}},
		{"Delete", "DELETE FROM products WHERE id = 10",
			newInBags, map[string]string{comingPage: "no such page"}},
		{"InsertAgain", "INSERT INTO products (id, category_id, name, price) VALUES (10, 2, 'Second tote', 8)",
			newInBags, map[string]string{comingPage: "Second tote", homePage: "Second tote"}},
		{"Bulk", "UPDATE products SET price = price + 1; UPDATE stock SET pieces = pieces + 100",
			slices.DeleteFunc(shopPages(), func(path string) bool { return path == nowherePage }), map[string]string{sackPage: "80.00 EUR, 112 in stock"}},
		{"Category", "UPDATE categories SET name = 'Caps' WHERE id = 3",
			shopPages(), map[string]string{nowherePage: "Caps"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := s.warm(t, shopPages())
			epoch := s.transaction(t, c.statements, "COMMIT")
			s.expect(t, epoch, before, c.renewed...)
			for path, text := range c.shows {
				if body := string(get(t, s.u.edge(2)+path).body); !strings.Contains(body, text) {
					t.Errorf("%s lacks %q:\n%s", path, text, body)
				}
			}
		})
	}
}

func (s *example) testRollback(t *testing.T) {
	before := s.warm(t, shopPages())
	epoch := s.transaction(t, "UPDATE products SET price = 1; DELETE FROM products WHERE id = 7; UPDATE categories SET name = 'x'", "ROLLBACK")
	s.expect(t, epoch, before)
}

// testFillInFlight commits between the reads of a page that the shop is making: it has its data from before the commit
// and is stored after the purge.
func (s *example) testFillInFlight(t *testing.T) {
	const page = "/products/9" // in no cache yet
	old := get(t, s.url+page)
	lock := s.lock(t, "stock")
	inFlight := make(chan reply, 1)
	failed := make(chan error, 1)
	go func() {
		client := newClient()
		defer client.CloseIdleConnections()
		r, err := request{url: s.u.edge(1) + page}.send(client)
		if err != nil {
			failed <- err
			return
		}
		inFlight <- r
	}()
	s.awaitLock(t, "stock", "waiting")
	epoch := s.transaction(t, "UPDATE products SET price = 99 WHERE id = 9; UPDATE categories SET name = 'Sacks' WHERE id = 2", "COMMIT")
	get(t, s.u.edge(1)+nowherePage, "Tiercache-Min-Epoch: "+epoch) // so the edge has applied the purge
	lock.release(t)
	select {
	case r := <-inFlight: // asked for before the commit: all of it is old, and it is not kept
		r.is(t, http.StatusOK, string(old.body))
		if member := r.header.Values("Cache-Status"); strings.Contains(member[len(member)-1], "stored") {
			t.Errorf("the edge keeps it: %q", member)
		}
	case err := <-failed:
		t.Fatal(err)
	}
	s.expect(t, epoch, map[string]string{page: string(old.body)}, page)
}

// testBasket wants a visitor's own page to be his alone, and his cookie to change no shared page.
func (s *example) testBasket(t *testing.T) {
	before := s.warm(t, []string{homePage, sackPage})
	added := sendWhole(t, request{method: http.MethodPost, url: s.u.edge(1) + "/basket",
		fields: []string{"Content-Type: application/x-www-form-urlencoded"}, body: strings.NewReader("product=7")})
	cookie, _, _ := strings.Cut(added.header.Get("Set-Cookie"), ";")
	if added.status != http.StatusSeeOther || added.header.Get("Location") != "/basket" || cookie != "basket=7" {
		t.Fatalf("%d %q", added.status, added.header)
	}
	for range 2 {
		for n := 1; n <= 2; n++ {
			full, empty := get(t, s.u.edge(n)+"/basket", "Cookie: "+cookie), get(t, s.u.edge(n)+"/basket")
			if !strings.Contains(string(full.body), "Rucksack") || strings.Contains(string(empty.body), "Rucksack") || full.says("; hit") || empty.says("; hit") {
				t.Errorf("%s\n%s\n%s\n%s", full.body, full.cacheStatus(), empty.body, empty.cacheStatus())
			}
		}
	}
	for path, body := range before {
		got := get(t, s.u.edge(1)+path, "Cookie: "+cookie)
		got.is(t, http.StatusOK, body)
		got.saysThat(t, "edge-1; hit")
		if got.header.Get("Surrogate-Key") != "" {
			t.Errorf("%s: clients see the tags: %q", path, got.header)
		}
	}
}

func (s *example) testTruncate(t *testing.T) {
	before := s.warm(t, shopPages())
	epoch := s.transaction(t, "TRUNCATE products CASCADE", "COMMIT")
	s.expect(t, epoch, before, slices.DeleteFunc(shopPages(), func(path string) bool { return path == nowherePage })...)
	if got := get(t, s.u.edge(1)+sackPage); got.status != http.StatusNotFound {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// testShopCloses wants the shop to end in good order, and what is stored to be there without it.
func (s *example) testShopCloses(t *testing.T) {
	before := s.warm(t, []string{homePage, bagsPage})
	s.process.stop(t, syscall.SIGTERM)
	for _, path := range slices.Sorted(maps.Keys(before)) {
		get(t, s.u.edge(1)+path).is(t, http.StatusOK, before[path])
	}
}
