import { readFile } from 'node:fs/promises'
import { Hono } from 'hono'
import type { RouteVariables } from './module.ts'

/**
 * The API reference, as a document and as a page. The page is Swagger UI, from files that the build has put beside
 * this one: nothing comes from elsewhere.
 */
export function docsRoutes(document: () => Promise<object>): Hono<{ Variables: RouteVariables }> {
  let made: Promise<string> | undefined
  const routes = new Hono<{ Variables: RouteVariables }>()
    .get('/openapi.json', async (c) => {
      made ??= document().then((made) => JSON.stringify(made))
      return c.body(await made, 200, { 'Content-Type': 'application/json', 'Cache-Control': 'no-cache' })
    })
    .get('/docs', (c) => c.html(page, 200, { 'Content-Security-Policy': policy, ...safe }))
    .get('/docs/start.js', (c) => c.body(script, 200, { 'Content-Type': 'text/javascript', ...safe }))
  for (const [name, type] of assets) {
    let content: Promise<Uint8Array<ArrayBuffer>> | undefined
    routes.get(`/docs/${name}`, async (c) => {
      content ??= readFile(new URL(`assets/${name}`, import.meta.url))
      return c.body(await content, 200, { 'Content-Type': type, 'Cache-Control': 'max-age=3600', ...safe })
    })
  }
  return routes
}

const assets = [
  ['swagger-ui.css', 'text/css'],
  ['swagger-ui-bundle.js', 'text/javascript'],
] as const

const safe = { 'X-Content-Type-Options': 'nosniff' }

const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const page = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width">
    <title>Rollbook API</title>
    <link rel="icon" href="data:,">
    <link rel="stylesheet" href="/docs/swagger-ui.css">
  </head>
  <body>
    <div id="reference"></div>
    <script src="/docs/swagger-ui-bundle.js"></script>
    <script src="/docs/start.js"></script>
  </body>
</html>
`

const script = `SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#reference',
  deepLinking: true,
  displayOperationId: true,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
})
`
