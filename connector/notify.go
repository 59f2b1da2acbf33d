package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"azure-partner-connector/connector/app"
	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/notify"
	"azure-partner-connector/connector/notify/message"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/tenant"
)

type notifyCommand struct {
	Test      notifyTest      `cmd:"" help:"Send a test notice through every configured channel, and say which arrived. The panel shows it to the provider."`
	Templates notifyTemplates `cmd:"" help:"Write the built-in templates of mails into a folder, to change them there."`
}

type notifyTest struct {
	configFile
	Instance string `help:"The instance whose platform shows it, by its consumer key. Default: the first one of the configuration." placeholder:"KEY"`
}

// Run sends a test notice.
func (n notifyTest) Run(c *console) error {
	services, cfg, err := openServices(c, n.configFile)
	if err != nil {
		return err
	}
	return errors.Join(n.send(c, services, cfg), services.Close())
}

func (n notifyTest) send(c *console, services *app.Services, cfg config.Config) error {
	key := n.Instance
	if key == "" && len(cfg.Instances) > 0 {
		key = cfg.Instances[0].Key
	}
	if !slices.ContainsFunc(cfg.Instances, func(in config.Instance) bool { return in.Key == key }) {
		return fmt.Errorf("the configuration has no instance %q", key)
	}
	channels, err := services.Channels(cfg.Notify, time.Now)
	if err != nil {
		return err
	}
	if len(channels) == 0 {
		return errors.New("notify: no channel is configured, so nobody is notified of anything")
	}
	notice := notify.Notice{ID: random.ID(), At: time.Now().UTC(), Kind: notify.Test, InstanceKey: key, Provider: true}
	tried, failed := 0, 0
	for _, channel := range channels {
		if channel.Audience() == notify.Reseller { // the test is about no tenant
			continue
		}
		tried++
		err := channel.Send(c.ctx, notice)
		if errors.Is(err, tenant.ErrNotFound) { // the panel is the platform's
			err = fmt.Errorf("the platform has not installed the instance %s yet; connector register does", key)
		}
		if err != nil {
			failed++
			fmt.Fprintf(c.stdout, "%s: failed: %s\n", channel.Name(), oneLine(err.Error()))
			continue
		}
		fmt.Fprintf(c.stdout, "%s: sent\n", channel.Name())
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d channels failed", failed, tried)
	}
	return nil
}

type notifyTemplates struct {
	Out string `help:"The folder. It is created if it is missing; files in it are not overwritten." required:"" placeholder:"FOLDER"`
}

// Run writes the built-in templates.
func (n notifyTemplates) Run(c *console) error {
	if err := os.MkdirAll(n.Out, 0o750); err != nil {
		return fmt.Errorf("creating the folder: %w", err)
	}
	for name, source := range message.BuiltIn() {
		path := filepath.Join(n.Out, name)
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return fmt.Errorf("writing a template: %w", err)
		}
		_, err = file.Write(source)
		if err := errors.Join(err, file.Close()); err != nil {
			return fmt.Errorf("writing a template: %w", err)
		}
		fmt.Fprintln(c.stdout, path)
	}
	return nil
}
