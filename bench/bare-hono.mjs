import { serve } from '@hono/node-server'
import { Hono } from 'hono'

const { BODY: body = '' } = process.env
const app = new Hono().get('/users', (c) => c.body(body, 200, { 'content-type': 'application/hal+json' }))
serve({ fetch: app.fetch, hostname: '127.0.0.1', port: Number(process.argv[2]) })
