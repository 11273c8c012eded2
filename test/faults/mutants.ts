import { cpSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { DIST } from './processes.ts'
import type { World } from './world.ts'

/** One place in the compiled service, and what stands there instead. */
export interface Mutation {
  /** Below the folder of the compiled service. */
  readonly file: string
  readonly from: string
  readonly to: string
}

/**
 * A copy of the compiled service with something taken out, so that nothing that ships can take it out. Throws where the
 * place is not found exactly once: then the code has changed, and the mutation must follow.
 */
export function mutant(world: World, mutations: readonly Mutation[]): string {
  const folder = world.directory()
  const dist = join(folder, 'dist')
  cpSync(DIST, dist, { recursive: true })
  cpSync(resolve('package.json'), join(folder, 'package.json'))
  // With the sources, which the source maps name.
  for (const name of ['node_modules', 'src', 'projections']) symlinkSync(resolve(name), join(folder, name))
  for (const { file, from, to } of mutations) {
    const path = join(dist, file)
    const parts = readFileSync(path, 'utf8').split(from)
    if (parts.length !== 2) throw new Error(`${file} has ${parts.length - 1} places like ${from}`)
    writeFileSync(path, parts.join(to))
  }
  return dist
}
