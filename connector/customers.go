package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"azure-partner-connector/connector/api"
	"azure-partner-connector/connector/app"
	"azure-partner-connector/connector/clock"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

type customersCommand struct {
	List     customersList     `cmd:"" help:"List the customers of a tenant's partner, with their relationships (GDAP) and consents."`
	Consent  customersConsent  `cmd:"" help:"Consent for the application in a customer's directory, or with --all in those of all customers with an active relationship."`
	Withdraw customersWithdraw `cmd:"" help:"Remove the application's consent in a customer's directory."`
}

type customersList struct {
	configFile
	tenantName
	Search string `help:"Only customers with this text in their name, domain or ID." placeholder:"TEXT"`
	JSON   bool   `help:"Print one JSON document."`
}

// Run lists customers.
func (l customersList) Run(c *console) error {
	return withTenant(c, l.configFile, l.tenantName, func(s *app.Services, r tenant.Resolved) error {
		list, err := s.Tokens.ListCustomers(c.ctx, r, commandLine())
		if err != nil {
			return explained(err)
		}
		document := api.NewCustomersDocument(list, l.Search, token.CustomerPlace{}, len(list.Customers)+1)
		if l.JSON {
			return printJSON(c, document)
		}
		table := newTable("CONSENT", "RELATIONSHIP ENDS", "LAST RESULT", "NAME", "DOMAIN", "DIRECTORY")
		for _, customer := range document.Customers {
			ends := "none is active"
			if customer.Active {
				ends = cmp.Or(minute(customer.EndsAt), "unknown")
				if customer.Relationships[0].AutoExtends {
					ends += ", extends itself"
				}
			}
			consent := string(customer.Consent)
			if customer.Outdated {
				consent = "outdated"
			}
			table.add(consent, ends, customer.LastResult, customer.Name, customer.Domain, customer.Directory)
		}
		if len(document.Customers) > 0 {
			if err := table.print(c.stdout); err != nil {
				return err
			}
		}
		if f := list.Incomplete; f != nil {
			fmt.Fprintf(c.stderr, "customers may be missing: %v\n", explained(f.Error()))
		}
		_, err = fmt.Fprintf(c.stdout, "%d of %d customers\n", len(document.Customers), len(list.Customers))
		return err
	})
}

// withTenant calls use with the services of the configuration and a tenant.
func withTenant(c *console, file configFile, name tenantName, use func(*app.Services, tenant.Resolved) error) error {
	return withServices(c, file, func(s *app.Services) error {
		r, err := name.find(c.ctx, s)
		if err != nil {
			return err
		}
		return use(s, r)
	})
}

type customersConsent struct {
	configFile
	tenantName
	Directory string        `arg:"" optional:"" help:"ID or verified domain of the customer's directory."`
	All       bool          `help:"All customers with an active relationship that lack a consent, or whose consent has other permissions than are asked for now."`
	Pause     time.Duration `help:"With --all: wait so long between two customers." default:"100ms" placeholder:"DURATION"`
}

// Run consents.
func (a customersConsent) Run(c *console) error {
	if (a.Directory == "") != a.All {
		return errors.New("name a directory, or use --all instead")
	}
	return withTenant(c, a.configFile, a.tenantName, func(s *app.Services, r tenant.Resolved) error {
		if !a.All {
			record, err := s.Tokens.ConsentCustomer(c.ctx, r, a.Directory, commandLine())
			if err != nil {
				return explained(err)
			}
			_, err = fmt.Fprintf(c.stdout, "consented in %s: %s\n", record.DirectoryID, permissionsOf(record))
			return err
		}
		return a.all(c, s, r)
	})
}

func permissionsOf(record token.CustomerRecord) string {
	var all []string
	for name, permissions := range record.Scopes {
		all = append(all, string(name)+" "+strings.Join(permissions, " "))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// all consents for one customer after the other.
func (a customersConsent) all(c *console, s *app.Services, r tenant.Resolved) error {
	list, err := s.Tokens.ListCustomers(c.ctx, r, commandLine())
	if err != nil {
		return explained(err)
	}
	waiting := slices.DeleteFunc(list.Customers, func(customer token.CustomerStatus) bool { return !customer.LacksConsent() })
	failed := 0
	for i, customer := range waiting {
		if i > 0 && clock.Sleep(c.ctx, a.Pause) != nil || c.ctx.Err() != nil {
			return fmt.Errorf("interrupted after %d of %d customers: %d consented, %d failed", i, len(waiting), i-failed, failed)
		}
		result := "consented"
		if _, err := s.Tokens.ConsentCustomer(c.ctx, r, customer.Customer.DirectoryID, commandLine()); err != nil {
			failed++
			result = "failed: " + oneLine(explained(err).Error())
		}
		fmt.Fprintf(c.stdout, "%d/%d %s %s\n", i+1, len(waiting), harmless(cmp.Or(customer.Name, customer.Customer.DirectoryID)), result)
	}
	fmt.Fprintf(c.stdout, "%d consented, %d failed\n", len(waiting)-failed, failed)
	if failed > 0 {
		return errors.New("some consents failed")
	}
	return nil
}

type customersWithdraw struct {
	configFile
	tenantName
	Directory string `arg:"" help:"ID or verified domain of the customer's directory."`
}

// Run removes a consent.
func (w customersWithdraw) Run(c *console) error {
	return withTenant(c, w.configFile, w.tenantName, func(s *app.Services, r tenant.Resolved) error {
		record, err := s.Tokens.WithdrawCustomer(c.ctx, r, w.Directory, commandLine())
		if err != nil {
			return explained(err)
		}
		_, err = fmt.Fprintln(c.stdout, "no consent is left in", record.DirectoryID)
		return err
	})
}
