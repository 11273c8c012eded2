import { defineConfig } from 'drizzle-kit'

export default defineConfig({
  dialect: 'sqlite',
  schema: ['./src/read-model/tables.ts', './projections/*/tables.ts'],
  out: './projections/migrations',
})
