package local

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"tiercache/shared/config"
	"tiercache/shared/policy"
	"tiercache/shared/token"
)

// maxDocument bounds control's answer with a service document, in bytes.
const maxDocument = 2 << 20

// active is the part of control's description of a service that counts here.
type active struct {
	Version   int    `json:"version"`
	CreatedBy string `json:"created_by"`
	Source    string `json:"source"`

	document policy.Service // of Source
}

// tellOverruled says so when what this start was told about the service makes no difference, because somebody has
// activated another upstream by hand. Control does not undo that. Nothing is said when control cannot be asked.
func (p *Platform) tellOverruled(ctx context.Context) {
	wanted := p.cfg.service()
	now, err := askActive(ctx, p.plan.Of(tierControl)[0].URL, p.around.adminToken(), wanted.Name)
	if err != nil || now.document.Upstream == wanted.Upstream {
		return
	}
	told := "--upstream " + wanted.Upstream
	if p.cfg.Upstream == "" {
		told = "the origin"
	}
	service := quoted(p.deps.Command) + " service"
	flags := " --data-dir " + quoted(p.around.dir) + control(&p.plan, &p.cfg)
	p.out.line("\ntiercache: %s is not in use: version %d of the service %s, stored by %s, is active, with upstream: %s\n"+
		"To change that, set upstream: %s in a document of the service and activate it:\n\n"+
		"  %s get %s --version active%s > %s.yaml\n"+
		"  %s put %s.yaml --activate%s",
		told, now.Version, wanted.Name, now.CreatedBy, now.document.Upstream, wanted.Upstream,
		service, wanted.Name, flags, wanted.Name, service, wanted.Name, flags)
}

// askActive asks control which version of a service is active.
func askActive(ctx context.Context, url, tokenFile, service string) (now active, err error) {
	secret, err := token.ReadFile(tokenFile)
	if err != nil {
		return now, err
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/v1/services/"+service+"?version=active", nil)
	if err != nil {
		return now, err
	}
	request.Header.Set("Authorization", "Bearer "+secret)
	// No proxy may see the token, and there is no second request.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return now, err
	}
	defer func() { _ = response.Body.Close() }() // only read
	if response.StatusCode != http.StatusOK {
		return now, fmt.Errorf("control answers %s", response.Status)
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxDocument)).Decode(&now); err != nil {
		return now, err
	}
	now.document.Name = service
	err = config.Decode("document", []byte(now.Source), &now.document)
	now.document.Upstream = strings.TrimSuffix(now.document.Upstream, "/")
	return now, err
}
