package handlers

import (
	"github.com/valyala/fasthttp"

	"rest-sessions/handlers/metrics"
)

// NewMetrics makes metrics for an API: its errors and refusals are in them from the start.
func NewMetrics(version string) *metrics.Metrics {
	return metrics.New(metrics.Options{Version: version, Errors: knownErrors, Refusals: refusals})
}

// metricSources are what an API has to be asked for.
func (a *API) metricSources() metrics.Sources {
	return metrics.Sources{
		InFlightLimit:   func() int { return a.admission.Limit() },
		Lists:           func() int { return int(a.lists.inFlight.Load()) },
		ListLimit:       func() int { return int(a.lists.max) },
		ConnectionLimit: func() int { return int(a.maxConnections) },
	}
}

// metricsText answers GET /metrics in Prometheus' text format, in gzip if the client
// accepts it, as Prometheus and browsers do: 140 KB become some 10.
func (a *API) metricsText(ctx *fasthttp.RequestCtx) error {
	contentType, err := a.metrics.WriteText(ctx.Response.BodyWriter())
	if err != nil {
		return err
	}
	setHeaders(ctx, contentType)
	if ctx.Request.Header.HasAcceptEncoding("gzip") {
		ctx.Response.SetBodyRaw(fasthttp.AppendGzipBytesLevel(nil, ctx.Response.Body(), fasthttp.CompressBestSpeed))
		ctx.Response.Header.SetContentEncoding("gzip")
	}
	return nil
}
