package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "pandapush:", oneLine(err))
		os.Exit(1)
	}
}

// oneLine returns the text of err without line breaks: joined errors, and those of pgx, have some.
func oneLine(err error) string {
	return strings.NewReplacer(":\n\t", ": ", "\n\t", "; ", "\n", "; ").Replace(err.Error())
}

// commands is the command line: a field for each sub-command, which has its flags as fields and does its work in Run.
type commands struct {
	Serve     serveCmd     `cmd:"" help:"Run the service."`
	Migrate   migrateCmd   `cmd:"" help:"Migrate the database's schema, or show its version."`
	App       appCmd       `cmd:"" help:"Add, list, change and remove applications."`
	Key       keyCmd       `cmd:"" help:"Add, list, rotate, revoke and delete keys of an application."`
	Audit     auditCmd     `cmd:"" help:"Show who changed what."`
	Sessions  sessionsCmd  `cmd:"" help:"List the sessions of all nodes, or end one."`
	Nodes     nodesCmd     `cmd:"" help:"List the nodes that run."`
	Presence  presenceCmd  `cmd:"" help:"List who is in a room."`
	Token     tokenCmd     `cmd:"" help:"Create a token that allows its bearer to publish or subscribe."`
	Publish   publishCmd   `cmd:"" help:"Publish a message."`
	Subscribe subscribeCmd `cmd:"" help:"Print messages as they come, one JSON object a line."`
	Loadtest  loadtestCmd  `cmd:"" help:"Put load on a running server, and check that nothing is lost."`
	Health    healthCmd    `cmd:"" help:"Ask a running server whether it is ready; exit 1 if not."`
	Config    configCmd    `cmd:"" help:"Show the settings."`
	Version   versionCmd   `cmd:"" help:"Print the version."`
}

// environment is what a command gets of the process it runs in.
type environment struct {
	ctx    context.Context //nolint:containedctx // lives as long as the command; kong calls Run(env), not Run(ctx, env)
	getenv func(string) string
	stdout io.Writer
	stderr io.Writer
}

// run is the program. Its error is for a person and says what was wrong.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	var cli commands
	exited := false
	parser, err := kong.New(&cli,
		kong.Name("pandapush"),
		kong.Description("Multi-tenant web pub/sub. Every flag can be given as an environment variable of the same name: --data-dir is DATA_DIR; a secret also as a file, named by the variable with _FILE."),
		kong.UsageOnError(),
		kong.Writers(stdout, stderr),
		kong.Exit(func(int) { exited = true }),
		kong.Resolvers(environmentResolver(getenv)),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
	if err != nil {
		return err
	}
	command, err := parser.Parse(args)
	if exited { // --help has been printed
		return nil
	}
	if wrong, ok := errors.AsType[*settingError](err); ok {
		return wrong
	}
	if err != nil {
		return err
	}
	return command.Run(&environment{ctx, getenv, stdout, stderr})
}
