module github.com/pandapush/pandapush/sdk/go

go 1.24.0
