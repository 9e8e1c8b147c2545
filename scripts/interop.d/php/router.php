<?php

// Runs a site of the directory, site.php or what SITE says, for php -S, and says what a web server before PHP says when
// the visitor came by https.
if (($_SERVER['HTTP_X_FORWARDED_PROTO'] ?? '') === 'https') {
    $_SERVER['HTTPS'] = 'on';
}
require getcwd() . '/' . (getenv('SITE') ?: 'site.php');
