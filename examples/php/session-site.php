<?php

// The shop, with $_SESSION.

declare(strict_types=1);

use RestSessions\{SessionHandler, Sessions};

require __DIR__ . '/Sessions.php';
require __DIR__ . '/SessionHandler.php';

// A real site keeps hashes of passwords: password_hash, password_verify.
const PASSWORDS = ['anna' => 'secret', 'zoë/50%' => 'secret'];

// Nothing is known of the session: 503, and no new cookie but that of a session that has a new token.
set_exception_handler(function (Throwable $e): void {
    error_log((string) $e);
    if (!headers_sent()) {
        http_response_code(SessionHandler::isUnavailable($e) ? 503 : 500);
        header_remove('Location');
        header('Retry-After: 5');
    }
});

ini_set('session.gc_maxlifetime', (string) (30 * 24 * 3600)); // seconds without a visit that end a session
ini_set('session.cookie_lifetime', (string) (30 * 24 * 3600));
$sessions = new Sessions('shop', getenv('SESSIONS_URL') ?: 'http://127.0.0.1:3000', getenv('SESSIONS_KEY') ?: null);
$handler = SessionHandler::register($sessions);

function json(mixed $value): void
{
    header('Content-Type: application/json');
    echo json_encode($value, JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE);
}

function field(string $name): string
{
    $value = $_POST[$name] ?? '';
    return is_string($value) && preg_match('//u', $value) ? $value : '';
}

function endSession(): void
{
    session_destroy();
    header_remove('Set-Cookie');
    setcookie(session_name(), '', ['expires' => 1] + array_diff_key(session_get_cookie_params(), ['lifetime' => 0]));
}

// visit starts the session of who has one. A cookie of a session that has ended makes PHP begin a new one.
function visit(SessionHandler $handler): bool
{
    if (!isset($_COOKIE['sid'])) {
        return false;
    }
    session_start();
    if (!$handler->isNew()) {
        return true;
    }
    endSession();
    return false;
}

$request = $_SERVER['REQUEST_METHOD'] . ' ' . strtok($_SERVER['REQUEST_URI'], '?');
switch ($request) {
    case 'GET /':
        $known = visit($handler);
        json(['user' => $handler->user(), 'cart' => $known ? $_SESSION['cart'] ?? [] : []]);
        break;

    case 'POST /cart':
        if (field('item') === '') {
            http_response_code(400);
            break;
        }
        session_start();
        $_SESSION['cart'][] = field('item');
        header('Location: /', true, 303);
        break;

    case 'POST /login':
        if (!hash_equals(PASSWORDS[field('user')] ?? '', field('password')) || field('password') === '') {
            http_response_code(403);
            break;
        }
        session_start();
        $handler->login(field('user'));
        header('Location: /', true, 303);
        break;

    case 'GET /devices':
    case 'POST /devices/end':
        visit($handler);
        if ($handler->user() === null) {
            http_response_code(401);
        } elseif ($request === 'GET /devices') {
            json(array_map(fn (array $session) => [
                'handle' => $session['handle'],
                'ip' => $session['ip'],
                'created' => $session['created'] ?? null,
                'expires' => $session['expires'],
                'idle' => $session['idle'],
                'current' => $session['handle'] === $handler->handle(),
            ], $sessions->sessionsOf($handler->user())));
        } elseif (!preg_match('/\A[0-9A-Za-z]{22}\z/', field('handle'))) {
            http_response_code(400);
        } else {
            $sessions->killUser($handler->user(), field('handle'));
            header('Location: /devices', true, 303);
        }
        break;

    case 'POST /logout':
    case 'POST /logout/everywhere':
        if (visit($handler)) {
            if ($request === 'POST /logout/everywhere' && $handler->user() !== null) {
                $sessions->killUser($handler->user());
            }
            endSession();
        }
        header('Location: /', true, 303);
        break;

    default:
        http_response_code(404);
}
