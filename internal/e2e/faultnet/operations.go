package faultnet

import (
	"context"
	"io"
	"net/http"

	"github.com/idngo-go/idngo"
)

// Operation is one request of the API, made as a call of a Client. Answer understands its
// arguments.
type Operation struct {
	Name          string // the name in errors and logs
	NotIdempotent bool
	Call          func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error
}

// Key returns the Name, except for the two operations of Do, which it distinguishes.
func (op Operation) Key() string {
	switch {
	case op.Name != "Do":
		return op.Name
	case op.NotIdempotent:
		return "Do POST"
	default:
		return "Do GET"
	}
}

// The operations of the API.
var (
	CreateAction = Operation{
		Name:          "CreateAction",
		NotIdempotent: true,
		Call: func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			_, err := client.CreateAction(ctx, "app-1", idngo.CreateActionParams{LevelName: "lvl", ExternalActionID: "ext-1"}, opts...)
			return err
		},
	}
	AddImage = Operation{
		Name:          "AddImage",
		NotIdempotent: true,
		Call: func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			_, err := client.AddImage(ctx, "5e02f6b1", Selfie(idngo.ImageBytes("me.png", []byte(ImageContent))), opts...)
			return err
		},
	}
	SubmitAction = Operation{
		Name:          "SubmitAction",
		NotIdempotent: true,
		Call: func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			_, err := client.SubmitAction(ctx, "5e02f6b1", opts...)
			return err
		},
	}
	DoPost = Operation{
		Name:          "Do",
		NotIdempotent: true,
		Call: func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			return client.Do(ctx, http.MethodPost, "/resources/x", nil, map[string]int{"a": 1}, new(map[string]any), opts...)
		},
	}
	GetAction = Operation{
		Name: "GetAction",
		Call: func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			_, err := client.GetAction(ctx, "5e02f6b1", opts...)
			return err
		},
	}
	ListActions = Operation{
		Name: "ListActions",
		Call: func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			_, err := client.ListActions(ctx, "app-1", idngo.ListActionsParams{}, opts...)
			return err
		},
	}
	DownloadImage = Operation{
		Name: "OpenImage",
		Call: func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			_, err := client.DownloadImage(ctx, "5e02f6b1", "4711", io.Discard, idngo.ImageParams{}, opts...)
			return err
		},
	}
	CreateAccessToken = Operation{
		Name: "CreateAccessToken",
		Call: func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			_, err := client.CreateAccessToken(ctx, idngo.AccessTokenParams{UserID: "user-1", LevelName: "lvl"}, opts...)
			return err
		},
	}
	CreateWebSDKLink = Operation{
		Name: "CreateWebSDKLink",
		Call: func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			_, err := client.CreateWebSDKLink(ctx, idngo.WebSDKLinkParams{LevelName: "lvl", ExternalUserID: "user-1"}, opts...)
			return err
		},
	}
	GetApplicant = Operation{
		Name: "GetApplicant",
		Call: func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			_, err := client.GetApplicant(ctx, "app-1", opts...)
			return err
		},
	}
	FindApplicant = Operation{
		Name: "FindApplicant",
		Call: func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			_, err := client.FindApplicant(ctx, "user-1", opts...)
			return err
		},
	}
	DoGet = Operation{
		Name: "Do",
		Call: func(ctx context.Context, client *idngo.Client, opts ...idngo.RequestOption) error {
			return client.Do(ctx, http.MethodGet, "/resources/x", nil, nil, new(map[string]any), opts...)
		},
	}
)

// Operations has all operations.
var Operations = []Operation{
	CreateAction, AddImage, SubmitAction, DoPost, GetAction, ListActions, DownloadImage, CreateAccessToken, CreateWebSDKLink,
	GetApplicant, FindApplicant, DoGet,
}
