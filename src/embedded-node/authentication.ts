import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import * as grpc from '@grpc/grpc-js'
import { type Call, mayCall, type User } from './access.ts'
import { BoundedMap } from './bounded-map.ts'
import { isPassword, type PasswordHash, parseHash } from './passwords.ts'
import { accessDenied, Failure } from './status.ts'
import type { UserEntry } from './users-file.ts'

/** Each takes a thread of libuv's four, and as much memory as its hash says. */
const CHECKS_AT_ONCE = 2
/** Credentials that wait for their check; more are told to come again. */
const CHECKS_WAITING = 64
/** Wrong credentials that are remembered, so that a client that repeats them costs nothing. */
const REMEMBERED = 1_000

interface Account extends User {
  readonly hash: PasswordHash
}

/**
 * Finds the user behind each call by its `authorization: Basic` header (RFC 7617). Wrong credentials end the call with
 * UNAUTHENTICATED; a call without the header is anonymous. Credentials are checked once: those that were right are
 * known from then on, so a flood of wrong ones delays only clients that were not there before.
 */
export class Authentication {
  readonly #accounts: ReadonlyMap<string, Account>
  /** Unknown logins are checked against this, so that they take as long as known ones. */
  readonly #decoy: PasswordHash | undefined
  readonly #callers = new WeakMap<grpc.Metadata, User>()
  /** Credentials are kept as keyed digests only, and the key never leaves this object. */
  readonly #key = randomBytes(32)
  readonly #right = new Map<string, Buffer>()
  readonly #wrong = new BoundedMap<true>(REMEMBERED)
  readonly #underWay = new Map<string, Promise<User>>()
  readonly #turns: (() => void)[] = []
  #checking = 0

  constructor(users: readonly UserEntry[]) {
    const accounts = users.flatMap(({ login, hash: text, groups }) => {
      const hash = parseHash(text)
      return hash === undefined ? [] : [{ login, hash, groups: new Set(groups) }]
    })
    this.#accounts = new Map(accounts.map((account) => [account.login, account]))
    this.#decoy = accounts[0]?.hash
  }

  /** The user behind a call; undefined: nobody has said who it is. */
  userOf({ metadata }: Call): User | undefined {
    return this.#callers.get(metadata)
  }

  /** Holds each call back until its user is known, and ends it where that user may not call the method. */
  readonly interceptor: grpc.ServerInterceptor = (method, call) =>
    new grpc.ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, goOn) => {
            const refuse = (error: unknown): void => {
              const failure = error instanceof Failure ? error : unauthenticated()
              call.sendStatus({ code: grpc.status.UNKNOWN, details: '', ...failure.status })
            }
            const accept = (user: User | undefined): void => {
              if (user !== undefined) this.#callers.set(metadata, user)
              if (mayCall(method.path, user)) goOn(metadata)
              else refuse(accessDenied())
            }
            try {
              const user = this.#userWith(metadata)
              if (user instanceof Promise) user.then(accept, refuse)
              else accept(user)
            } catch (error) {
              refuse(error)
            }
          },
        }),
    })

  /** @throws Failure */
  #userWith(metadata: grpc.Metadata): User | undefined | Promise<User> {
    const [header] = metadata.get('authorization')
    const encoded = /^Basic (.*)$/i.exec(String(header ?? ''))?.[1]
    if (encoded === undefined) return undefined
    const credentials = Buffer.from(encoded, 'base64').toString('utf8')
    const colon = credentials.indexOf(':')
    if (colon < 0) throw unauthenticated()
    const login = credentials.slice(0, colon)
    const digest = createHmac('sha256', this.#key).update(credentials).digest()
    const right = this.#right.get(login)
    if (right !== undefined && timingSafeEqual(right, digest)) return this.#accounts.get(login)
    const key = digest.toString('base64')
    if (this.#wrong.get(key) === true) throw unauthenticated()
    return this.#underWay.get(key) ?? this.#check(key, login, credentials.slice(colon + 1), digest)
  }

  #check(key: string, login: string, password: string, digest: Buffer): Promise<User> {
    if (this.#turns.length >= CHECKS_WAITING) throw new Failure(grpc.status.UNAVAILABLE, 'Server Is Too Busy')
    const check = async (): Promise<User> => {
      const account = this.#accounts.get(login)
      const hash = account?.hash ?? this.#decoy
      const isRight = hash !== undefined && (await this.#inTurn(() => isPassword(password, hash)))
      if (account === undefined || !isRight) {
        this.#wrong.set(key, true)
        throw unauthenticated()
      }
      this.#right.set(login, digest)
      return account
    }
    const user = check().finally(() => this.#underWay.delete(key))
    this.#underWay.set(key, user)
    return user
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#checking < CHECKS_AT_ONCE) this.#checking++
    else await new Promise<void>((resolve) => this.#turns.push(resolve))
    try {
      return await work()
    } finally {
      const next = this.#turns.shift()
      if (next === undefined) this.#checking--
      else next()
    }
  }
}

const unauthenticated = (): Failure => new Failure(grpc.status.UNAUTHENTICATED, 'Unauthenticated')
