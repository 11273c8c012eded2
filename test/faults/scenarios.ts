import type { Scenario } from './run.ts'
import { racers } from './scenarios/01-racers.ts'
import { ambiguousAppend } from './scenarios/02-ambiguous-append.ts'
import { kills } from './scenarios/03-kills.ts'
import { storeOutages } from './scenarios/04-store-outages.ts'
import { quietLog } from './scenarios/05-quiet-log.ts'
import { backlog } from './scenarios/06-backlog.ts'
import { rebuilds } from './scenarios/07-rebuilds.ts'
import { poison } from './scenarios/08-poison.ts'
import { twoProjectors } from './scenarios/11-two-projectors.ts'
import { shutdowns } from './scenarios/12-shutdowns.ts'

export const scenarios: readonly Scenario[] = [
  racers,
  ambiguousAppend,
  kills,
  storeOutages,
  quietLog,
  backlog,
  rebuilds,
  poison,
  twoProjectors,
  shutdowns,
]
