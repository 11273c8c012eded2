import type { Scenario } from './run.ts'
import { ambiguousAppend } from './scenarios/02-ambiguous-append.ts'
import { kills } from './scenarios/03-kills.ts'

export const scenarios: readonly Scenario[] = [ambiguousAppend, kills]
