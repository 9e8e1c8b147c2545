<?php

// Keeps $_SESSION in rest-sessions: each key of it is a key of the session's data, as JSON,
// so that programs in other languages read and write it too.

declare(strict_types=1);

namespace RestSessions;

final class SessionHandler implements \SessionHandlerInterface, \SessionIdInterface, \SessionUpdateTimestampHandlerInterface
{
    private const GRACE = 60; // seconds that the old token works on after session_regenerate_id(false)
    private const JSON = JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES | JSON_PRESERVE_ZERO_FRACTION;

    private ?array $session = null; // the session that PHP has: token, id, handle
    private array $kept = []; // its data as this request knows that rest-sessions has it, JSON by key
    private ?array $found = null; // the session that validateId has got, for read
    private ?\RuntimeException $failure = null; // why validateId got none, for read
    private ?string $made = null; // the token that create_sid has returned, until PHP has read it
    private bool $deletes = false; // session_regenerate_id(true) ends the old token
    private ?string $login = null; // the user that login is about
    private bool $isNew = false;

    private function __construct(private readonly Sessions $sessions)
    {
    }

    /** Makes PHP use rest-sessions. Call it before session_start. */
    public static function register(Sessions $sessions): self
    {
        ini_set('session.use_strict_mode', '1');
        ini_set('session.serialize_handler', 'php_serialize');
        ini_set('session.gc_probability', '0'); // rest-sessions ends sessions
        session_name('sid');
        session_set_cookie_params([
            'httponly' => true,
            'samesite' => 'Lax',
            'secure' => !in_array($_SERVER['HTTPS'] ?? 'off', ['', 'off'], true),
        ]);
        $handler = new self($sessions);
        session_set_save_handler($handler, false);
        // PHP itself would show what write throws to no handler of exceptions.
        register_shutdown_function(static function (): void {
            try {
                session_write_close();
            } catch (\Throwable $e) {
                $show = set_exception_handler(null);
                $show === null ? throw $e : $show($e);
            }
        });
        return $handler;
    }

    /** Reports whether an exception says that nothing is known of the session: PHP wraps what create_sid throws. */
    public static function isUnavailable(?\Throwable $e): bool
    {
        return $e !== null && ($e instanceof SessionsUnavailable || self::isUnavailable($e->getPrevious()));
    }

    /** The user whose session this is, or null: a guest, or no session. */
    public function user(): ?string
    {
        $id = $this->session['id'] ?? null;
        return $id === null || str_starts_with($id, 'guest-') ? null : $id;
    }

    /** The handle of this session in the list of the user's sessions. */
    public function handle(): ?string
    {
        return $this->session['handle'] ?? null;
    }

    /** Reports whether session_start has made this session, for a visitor who had none. */
    public function isNew(): bool
    {
        return $this->isNew;
    }

    /**
     * Makes the session that of a user, once the password is right, under a new token. What a guest had in
     * $_SESSION stays, what another user had does not. Use it in place of session_regenerate_id(true).
     */
    public function login(string $user): void
    {
        if (session_status() !== PHP_SESSION_ACTIVE || headers_sent()) {
            throw new \LogicException('login needs session_start before it, and no output');
        }
        if ($this->user() !== null && $this->user() !== $user) {
            $_SESSION = [];
        }
        $this->login = $user;
        try {
            session_regenerate_id(true);
        } finally {
            $this->login = null;
        }
    }

    public function open(string $path, string $name): bool
    {
        if (!ini_get('session.use_strict_mode') || ini_get('session.serialize_handler') !== 'php_serialize') {
            throw new \LogicException('session.use_strict_mode must be 1, and session.serialize_handler php_serialize');
        }
        return true;
    }

    public function close(): bool
    {
        return true;
    }

    /** In session_regenerate_id the session goes on under a new token. Otherwise it is a new one, of a guest. */
    public function create_sid(): string
    {
        if (self::isCalledBy('session_create_id')) {
            return bin2hex(random_bytes(32)); // of no session: rest-sessions makes the ids. PHP 8.2 crashes if this throws
        }
        if ($this->made !== null) { // by validateId
            return $this->made;
        }
        if ($this->session === null || !self::isCalledBy('session_regenerate_id')) {
            return $this->begin();
        }
        $made = $this->renew($this->session['token']);
        $this->deletes = false;
        if ($made === null) { // the session has ended meanwhile: what was in it must not go on
            $_SESSION = [];
            return $this->begin();
        }
        $this->session = ['token' => $made['token'], 'handle' => $made['handle']] + $this->session;
        return $this->made = $made['token'];
    }

    public function validateId(#[\SensitiveParameter] string $id): bool
    {
        if ($id === $this->made) { // PHP asks whether an id that it has just got is in use already
            $this->made = null;
            return false;
        }
        if (self::isCalledBy('session_create_id')) {
            return false;
        }
        try {
            $this->found = $this->sessions->get($id);
            if ($this->found === null) {
                $this->begin(); // for create_sid, which comes next
            }
        } catch (SessionsUnavailable | SessionsRefused $e) {
            $this->failure = $e; // thrown here, or by create_sid, it would make PHP send an id of its own
            return true;
        }
        return $this->found !== null;
    }

    public function read(#[\SensitiveParameter] string $id): string
    {
        [$found, $failure, $this->found, $this->failure] = [$this->found, $this->failure, null, null];
        if ($failure !== null) {
            throw $failure;
        }
        if ($found === null && $id === ($this->session['token'] ?? null)) { // create_sid has made it
            $this->made = null;
            return serialize(array_map(fn (string $json) => json_decode($json, true), $this->kept));
        }
        $found ?? throw new \LogicException('PHP reads a session that it has not validated');
        $this->session = ['token' => $id, 'id' => $found['id'], 'handle' => $found['handle']];
        $this->isNew = false;
        $data = $found['d'] ?? [];
        $this->kept = array_map(fn (mixed $value) => json_encode($value, self::JSON), $data);
        return serialize($data);
    }

    /** Sets the keys that this request has changed, and no others. */
    public function write(#[\SensitiveParameter] string $id, string $data): bool
    {
        $values = unserialize($data, ['allowed_classes' => false]);
        $kept = $changes = [];
        foreach ($values as $key => $value) {
            if ($value === null) {
                continue; // as if it were not there: null removes a key
            }
            $kept[$key] = self::encode($key, $value);
            if ($kept[$key] !== ($this->kept[$key] ?? null)) {
                $changes[$key] = $value;
            }
        }
        $changes += array_fill_keys(array_keys(array_diff_key($this->kept, $kept)), null);
        // If the session has ended meanwhile there is nothing to write to, and nothing to say.
        if ($changes !== []) {
            $this->sessions->set($id, $changes);
        }
        $this->kept = $kept;
        return true;
    }

    /** Nothing has changed; that the session is used, the read has noted. */
    public function updateTimestamp(#[\SensitiveParameter] string $id, string $data): bool
    {
        return true;
    }

    public function destroy(#[\SensitiveParameter] string $id): bool
    {
        if (self::isCalledBy('session_regenerate_id')) {
            $this->deletes = true; // create_sid, which comes next, gives it a new token
            return true;
        }
        $this->sessions->kill($id);
        $this->session = null;
        $this->kept = [];
        return true;
    }

    public function gc(int $max_lifetime): int
    {
        return 0;
    }

    // begin makes a session of the user who logs in, or of a guest.
    private function begin(): string
    {
        $id = $this->login ?? 'guest-' . bin2hex(random_bytes(16));
        $made = $this->sessions->create($id, ['ttl' => max(10, (int) ini_get('session.gc_maxlifetime'))] + $this->options());
        $this->session = ['token' => $made['token'], 'id' => $id, 'handle' => $made['handle']];
        $this->kept = [];
        $this->isNew = true;
        return $this->made = $made['token'];
    }

    // renew gives the session a new token, or returns null if it cannot go on.
    private function renew(#[\SensitiveParameter] string $token): ?array
    {
        if ($this->login === null) {
            return $this->sessions->rotate($token, $this->deletes ? 0 : self::GRACE);
        }
        if ($this->user() !== null && $this->user() !== $this->login) {
            $this->sessions->kill($token);
            return null;
        }
        $made = $this->sessions->become($token, $this->login, $this->options());
        if ($made !== null) {
            $this->session['id'] = $this->login;
        }
        return $made;
    }

    private function options(): array
    {
        return ['ip' => $_SERVER['REMOTE_ADDR']] + ($this->login === null ? [] : ['max_sessions' => 10]);
    }

    /** PHP tells a handler in no other way why it is called. */
    private static function isCalledBy(string $function): bool
    {
        return in_array($function, array_column(debug_backtrace(DEBUG_BACKTRACE_IGNORE_ARGS), 'function'), true);
    }

    private static function encode(int|string $key, mixed $value): string
    {
        $check = static function (mixed $value) use ($key): void {
            if (is_object($value)) {
                throw new \InvalidArgumentException("\$_SESSION['$key'] has an object in it: keep arrays, strings, numbers and booleans");
            }
        };
        is_array($value) ? array_walk_recursive($value, $check) : $check($value);
        return json_encode($value, self::JSON);
    }
}
