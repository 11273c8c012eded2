import type { Scenario } from './run.ts'
import { racers } from './scenarios/01-racers.ts'
import { ambiguousAppend } from './scenarios/02-ambiguous-append.ts'
import { kills } from './scenarios/03-kills.ts'
import { storeOutages } from './scenarios/04-store-outages.ts'
import { quietLog } from './scenarios/05-quiet-log.ts'
import { backlog } from './scenarios/06-backlog.ts'
import { rebuilds } from './scenarios/07-rebuilds.ts'
import { poison } from './scenarios/08-poison.ts'
import { fullDisk } from './scenarios/09-full-disk.ts'
import { clock } from './scenarios/10-clock.ts'
import { twoProjectors } from './scenarios/11-two-projectors.ts'
import { shutdowns } from './scenarios/12-shutdowns.ts'
import { soak } from './scenarios/13-soak.ts'
import { oracle } from './scenarios/14-oracle.ts'

export const scenarios: readonly Scenario[] = [
  racers,
  ambiguousAppend,
  kills,
  storeOutages,
  quietLog,
  backlog,
  rebuilds,
  poison,
  fullDisk,
  clock,
  twoProjectors,
  shutdowns,
  soak,
  oracle,
]
